-- Ends a build that is not to be swapped in, and drops its table. A projector that was paused may
-- still mean one that has ended since: what was not asked of this one is not done to it.
create or replace function drop_rebuild(p_projection text, p_outcome text) returns void
language plpgsql as $$
begin
  perform from rebuilds r
  where r.projection = p_projection and r.ended_at is null
    and case p_outcome
      when 'cancelled' then r.cancelled
      else r.kind = 'verify' and r.differences is not null
    end
  for update;
  if found then
    perform end_rebuild(p_projection, p_outcome);
    execute format('drop table if exists %I', p_projection || '_rebuild');
  end if;
end
$$;
