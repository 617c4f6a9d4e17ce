-- Ends a build that is not to be swapped in, and drops its table.
create or replace function drop_rebuild(p_projection text, p_outcome text) returns void
language plpgsql as $$
begin
  perform from rebuilds r where r.projection = p_projection and r.ended_at is null for update;
  if found then
    perform end_rebuild(p_projection, p_outcome);
    execute format('drop table if exists %I', p_projection || '_rebuild');
  end if;
end
$$;
