-- Puts the new table in the place of the live one, at exactly the live positions.
-- `behind`: more than a batch is missing, which is too much to hold up the live build for.
-- `none`: there is no build of this version, or it is paused. `different`: the tables differ or
-- were not compared, and nobody accepted that. `blocked`: something depends on the live table; the
-- row says what. Fails with lock_not_available when readers do not make room within `p_lock_ms`;
-- then nothing has changed, and readers have waited no longer than that.
create or replace function swap_rebuild(
  p_projection text,
  p_version int,
  p_apply text,
  p_start text,
  p_events_max int,
  p_live_apply text,
  p_swap text,
  p_lock_ms int
) returns text language plpgsql as $$
declare
  v_rebuild record;
  v_behind bigint;
  v_dependents text;
begin
  perform set_config('lock_timeout', p_lock_ms::text, true);
  select r.kind, r.differences, r.accepts_differences into v_rebuild
  from rebuilds r
  where r.projection = p_projection and r.version = p_version and r.ended_at is null
    and r.prepared and r.kind <> 'verify' and not r.cancelled and not r.paused
  for update;
  if not found then
    return 'none';
  end if;
  if v_rebuild.kind <> 'upgrade' and v_rebuild.differences is distinct from 0
    and not v_rebuild.accepts_differences
  then
    return 'different';
  end if;

  -- The live build stands still from here on.
  perform from (
    select from projection_positions live
    where live.projection = p_projection and live.build = 'live'
    order by live.partition for update
  ) as locked;
  select coalesce(sum(source.position - own.position), 0) into v_behind
  from projection_positions own
  join projection_source(p_projection, 'rebuild') source using (partition)
  where own.projection = p_projection and own.build = 'rebuild';
  if v_behind > p_events_max then
    return 'behind';
  end if;
  while v_behind > 0 loop
    select a.behind into v_behind
    from apply_events(p_projection, 'rebuild', p_version, p_apply, p_start, p_events_max) a;
  end loop;

  begin
    perform copy_privileges(p_projection::regclass, (p_projection || '_rebuild')::regclass);
    execute p_swap;
  exception when dependent_objects_still_exist then
    get stacked diagnostics v_dependents = pg_exception_detail;
    update rebuilds r set
      problem = 'the table cannot be replaced while other things depend on it: ' || v_dependents
        || '. Drop them, and create them again after the swap'
    where r.projection = p_projection and r.ended_at is null;
    return 'blocked';
  end;
  perform end_rebuild(p_projection, 'swapped');
  update projections p set version = p_version, live_apply = p_live_apply
  where p.name = p_projection;
  return 'swapped';
end
$$;
