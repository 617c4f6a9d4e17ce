-- Ends the running build: its positions go, and what became of it stays.
create or replace function end_rebuild(p_projection text, p_outcome text) returns void
language plpgsql as $$
declare
  v_events bigint;
  v_busy_ms float8;
begin
  with gone as (
    delete from projection_positions own
    where own.projection = p_projection and own.build = 'rebuild'
    returning own.position, own.busy_ms
  )
  select coalesce(sum(gone.position), 0), coalesce(sum(gone.busy_ms), 0)
  into v_events, v_busy_ms from gone;
  update rebuilds r set
    ended_at = clock_timestamp(), outcome = p_outcome, problem = null,
    events = v_events, busy_ms = v_busy_ms
  where r.projection = p_projection and r.ended_at is null;
end
$$;
