-- Applies the next events to one build of a projection and moves its positions, together.
--
-- `p_apply` is a statement over `batch`, the events to apply, in the order of their positions in
-- each partition. `p_insert` does the same where none of its rows is there yet, which is what to
-- expect of most projections: it is tried first, since looking for each row before it is inserted
-- takes a quarter of the time. `p_start` is the start of what an event counts in, for limits.
--
-- The live build follows the partitions; a rebuild follows the live build, so that it can be put in
-- its place. Rows of `projection_positions` are locked in the order of partitions, by all that lock
-- several. Only when a partition's events are all applied does its `sealed_through` count, which
-- stands in the same row, hence the same snapshot, as its position. The version is checked under
-- the locks: a program that missed a swap cannot write to a table of another version.
create or replace function apply_events(
  p_projection text,
  p_build text,
  p_version int,
  p_apply text,
  p_start text,
  p_events_max int,
  p_insert text default null,
  out applied bigint,
  out behind bigint
) language plpgsql as $$
declare
  v_began timestamptz := clock_timestamp();
  v_version int;
  v_limits jsonb;
  v_lagging int[];
  v_after bigint[];
  v_upto bigint[];
  v_sealed timestamptz[];
  v_batch text;
  v_inserted boolean := false;
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

  if p_build = 'live' then
    select p.version, '{}' into v_version, v_limits from projections p where p.name = p_projection;
  else
    select r.version, r.limits into v_version, v_limits
    from rebuilds r where r.projection = p_projection and r.ended_at is null;
  end if;
  if v_version is distinct from p_version then
    raise exception 'the % table of % has version %, not %', p_build, p_projection, v_version,
      p_version using errcode = 'object_not_in_prerequisite_state';
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
    v_batch :=
      'with batch as (
         select * from (
           select e.partition, e.position, e.type, e.customer, e.content, e.window_end,
             event_data(e.type, e.version, e.data) as data, e.recorded_at
           from unnest($1, $2, $3) as step (partition, after, upto)
           cross join lateral (
             select * from events e
             where e.partition = step.partition
               and e.position > step.after and e.position <= step.upto
             order by e.position limit $4
           ) as e
         ) as upcast ' ||
      case when v_limits = '{}' then '' else
        'where within_limits($5, customer, content, ' || p_start || ')'
      end || ') ';
    if p_insert is not null then
      begin
        execute v_batch || p_insert
        using v_lagging, v_after, v_upto, p_events_max, v_limits;
        v_inserted := true;
      exception when unique_violation then
        -- A row that somebody else wrote.
        v_inserted := false;
      end;
    end if;
    if not v_inserted then
      execute v_batch || p_apply using v_lagging, v_after, v_upto, p_events_max, v_limits;
    end if;
  end if;

  update projection_positions own
  set position = step.upto, sealed_through = step.sealed_through,
    busy_ms = own.busy_ms + extract(epoch from clock_timestamp() - v_began) * 1000
      / cardinality(v_lagging)
  from unnest(v_lagging, v_upto, v_sealed) as step (partition, upto, sealed_through)
  where own.projection = p_projection and own.build = p_build
    and own.partition = step.partition;
end
$$;
