-- Applies the next events to one build of a projection and moves its positions, together.
--
-- `p_apply` is a statement over `batch`, the events to apply, in the order of their positions in
-- each partition. The live build follows the partitions; a rebuild follows the live build, so
-- that it can be put in its place. Rows of `projection_positions` are locked in the order of
-- partitions, by all that lock several. Only when a partition's events are all applied does its
-- `sealed_through` count, which stands in the same row, hence the same snapshot, as its position.
create function apply_events(
  p_projection text,
  p_build text,
  p_apply text,
  p_events_max int,
  out applied bigint,
  out behind bigint
) language plpgsql as $$
declare
  v_lagging int[];
  v_after bigint[];
  v_upto bigint[];
  v_sealed timestamptz[];
begin
  applied := 0;
  behind := 0;

  select array_agg(locked.partition) into v_lagging
  from (
    select own.partition
    from projection_positions own
    join projection_source(p_projection, p_build) source using (partition)
    where own.projection = p_projection and own.build = p_build
      and (own.position, own.sealed_through) is distinct from
        (source.position, source.sealed_through)
    order by own.partition
    for update of own
  ) as locked;
  if v_lagging is null then
    return;
  end if;

  -- A new snapshot, taken under the locks.
  with step as (
    select
      own.partition,
      own.position as after,
      least(source.position, own.position + greatest(p_events_max / cardinality(v_lagging), 1))
        as upto,
      source.position as goal,
      own.sealed_through as sealed_before,
      source.sealed_through as sealed_at_goal
    from projection_positions own
    join projection_source(p_projection, p_build) source using (partition)
    where own.projection = p_projection and own.build = p_build
      and own.partition = any (v_lagging)
  )
  select
    array_agg(s.partition), array_agg(s.after), array_agg(s.upto),
    array_agg(case when s.upto = s.goal then s.sealed_at_goal else s.sealed_before end),
    coalesce(sum(s.upto - s.after), 0), coalesce(sum(s.goal - s.upto), 0)
  into v_lagging, v_after, v_upto, v_sealed, applied, behind
  from step s;

  if applied > 0 then
    -- The limit inside keeps the plan at one range of the primary key for each partition.
    execute
      'with batch as (
         select e.*
         from unnest($1, $2, $3) as step (partition, after, upto)
         cross join lateral (
           select * from events e
           where e.partition = step.partition
             and e.position > step.after and e.position <= step.upto
           order by e.position limit $4
         ) as e
       ) ' || p_apply
      using v_lagging, v_after, v_upto, p_events_max;
  end if;

  update projection_positions own
  set position = step.upto, sealed_through = step.sealed_through
  from unnest(v_lagging, v_upto, v_sealed) as step (partition, upto, sealed_through)
  where own.projection = p_projection and own.build = p_build
    and own.partition = step.partition;
end
$$;

-- What a build of a projection follows.
create function projection_source(p_projection text, p_build text)
returns table (partition int, "position" bigint, sealed_through timestamptz)
language sql stable as $$
  select p.partition, p.position, p.sealed_through
  from partitions p where p_build = 'live'
  union all
  select live.partition, live.position, live.sealed_through
  from projection_positions live
  where p_build = 'rebuild' and live.projection = p_projection and live.build = 'live'
$$;

-- Makes the new, empty table of a rebuild that was asked for, once. `p_create` is its definition.
create function prepare_rebuild(p_projection text, p_create text) returns boolean
language plpgsql as $$
begin
  perform from projections p
  where p.name = p_projection and p.rebuild_started_at is not null and not p.rebuild_prepared
  for update;
  if not found then
    return false;
  end if;
  execute p_create;
  delete from projection_positions o where o.projection = p_projection and o.build = 'rebuild';
  insert into projection_positions (projection, build, partition)
  select p_projection, 'rebuild', p.partition from partitions p;
  update projections p set rebuild_prepared = true where p.name = p_projection;
  return true;
end
$$;

-- Puts the rebuilt table in the place of the live one, at exactly the live positions.
-- `behind`: more than a batch is missing, which is too much to hold up the live build for.
-- `none`: there is no rebuild. Fails with lock_not_available when readers do not make room within
-- `p_lock_ms`; then nothing has changed, and readers have waited no longer than that.
create function swap_rebuild(
  p_projection text,
  p_apply text,
  p_events_max int,
  p_swap text,
  p_lock_ms int
) returns text language plpgsql as $$
declare
  v_behind bigint;
begin
  perform set_config('lock_timeout', p_lock_ms::text, true);
  perform from projections p where p.name = p_projection and p.rebuild_prepared for update;
  if not found then
    return 'none';
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
    from apply_events(p_projection, 'rebuild', p_apply, p_events_max) a;
  end loop;

  execute p_swap;
  delete from projection_positions own
  where own.projection = p_projection and own.build = 'rebuild';
  update projections p set rebuild_started_at = null, rebuild_prepared = false
  where p.name = p_projection;
  return 'swapped';
end
$$;
