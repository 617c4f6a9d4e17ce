-- The data of an event as its newest version has it. The one place that knows older versions of
-- events; domain/eventVersions.ts says which are known, and a test compares the two.
create or replace function event_data(p_type text, p_version int, p_data jsonb) returns jsonb
language sql immutable parallel safe as $$
  select case
    when p_type in ('WindowSealed', 'LossAccepted') and p_version = 1 then p_data
    else refuse_event_version(p_type, p_version)
  end
$$;
