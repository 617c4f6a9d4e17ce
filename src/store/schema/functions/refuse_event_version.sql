-- What is not known stops whoever reads it: a number that was guessed is worse than one that comes
-- late.
create or replace function refuse_event_version(p_type text, p_version int) returns jsonb
language plpgsql immutable parallel safe as $$
begin
  raise exception 'version % of event % is not known: run the program that wrote it', p_version,
    p_type using errcode = 'feature_not_supported';
end
$$;
