-- Builds of projections: a rebuild is compared before it is swapped in, a new version is built
-- beside the old one, and events of older versions are read as if they were of the newest.

-- The one place of SQL that knows older versions of events; domain/eventVersions.ts is the one of
-- the program, and a test compares the two. What is not known stops whoever reads it: a number
-- that was guessed is worse than one that comes late.
create function refuse_event_version(p_type text, p_version int) returns jsonb
language plpgsql immutable parallel safe as $$
begin
  raise exception 'version % of event % is not known: run the program that wrote it', p_version,
    p_type using errcode = 'feature_not_supported';
end
$$;
create function event_data(p_type text, p_version int, p_data jsonb) returns jsonb
language sql immutable parallel safe as $$
  select case
    when p_type in ('WindowSealed', 'LossAccepted') and p_version = 1 then p_data
    else refuse_event_version(p_type, p_version)
  end
$$;

create function window_length() returns interval language sql stable parallel safe as $$
  select s.value::bigint * interval '1 millisecond' from settings s where s.name = 'window_ms'
$$;

-- True for what a verification is limited to. `from` is inclusive, `to` exclusive, both epoch ms.
create function within_limits(
  p_limits jsonb,
  p_customer text,
  p_content text,
  p_start timestamptz
) returns boolean language sql stable parallel safe as $$
  select (p_limits ->> 'customer' is null or p_customer = p_limits ->> 'customer')
    and (p_limits ->> 'content' is null or p_content = p_limits ->> 'content')
    and (p_limits ->> 'fromMs' is null
      or p_start >= to_timestamp((p_limits ->> 'fromMs')::float8 / 1000))
    and (p_limits ->> 'toMs' is null
      or p_start < to_timestamp((p_limits ->> 'toMs')::float8 / 1000))
$$;

-- The running build beside the live table, one for each projection, and those that have ended.
create table rebuilds (
  id bigint generated always as identity primary key,
  projection text collate "C" not null references projections,
  -- `rebuild`: the same version anew. `upgrade`: a newer version. `verify`: to compare, not to swap.
  kind text collate "C" not null check (kind in ('rebuild', 'upgrade', 'verify')),
  version int not null,
  limits jsonb not null default '{}',
  asked_at timestamptz not null default clock_timestamp(),
  -- The new table exists.
  prepared boolean not null default false,
  -- Its further indexes exist.
  indexed boolean not null default false,
  paused boolean not null default false,
  cancelled boolean not null default false,
  accepts_differences boolean not null default false,
  -- How the new table differs from the live one; null before the comparison.
  report jsonb,
  differences bigint,
  -- What keeps it from going on, in words.
  problem text,
  ended_at timestamptz,
  outcome text collate "C" check (outcome in ('swapped', 'verified', 'cancelled', 'superseded')),
  events bigint,
  busy_ms float8,
  check ((ended_at is null) = (outcome is null))
) with (fillfactor = 50);
create unique index rebuilds_running on rebuilds (projection) where ended_at is null;
create index rebuilds_by_projection on rebuilds (projection, id);

insert into rebuilds (projection, kind, version, asked_at)
select name, 'rebuild', version, rebuild_started_at
from projections where rebuild_started_at is not null;
alter table projections
  drop column rebuild_started_at,
  drop column rebuild_prepared,
  -- The statement that fits the live table: a newer program keeps an older table up to date by it.
  add column live_apply text;
alter table projection_positions
  -- Time that the steps of this build took, shared among the partitions of each step.
  add column busy_ms float8 not null default 0;

drop function apply_events, prepare_rebuild, swap_rebuild;

-- Applies the next events to one build of a projection and moves its positions, together.
--
-- `p_apply` is a statement over `batch`, the events to apply, in the order of their positions in
-- each partition; `p_start` is the start of what an event counts in, for limits. The live build
-- follows the partitions; a rebuild follows the live build, so that it can be put in its place.
-- Rows of `projection_positions` are locked in the order of partitions, by all that lock several.
-- Only when a partition's events are all applied does its `sealed_through` count, which stands in
-- the same row, hence the same snapshot, as its position. The version is checked under the locks:
-- a program that missed a swap cannot write to a table of another version.
create function apply_events(
  p_projection text,
  p_build text,
  p_version int,
  p_apply text,
  p_start text,
  p_events_max int,
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
    execute
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
      end || ') ' || p_apply
      using v_lagging, v_after, v_upto, p_events_max, v_limits;
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

-- Makes the new, empty table of a rebuild that was asked for, once. `p_create` is its definition.
-- Whatever locks both does so in this order: the row of the rebuild, positions, tables.
create function prepare_rebuild(p_projection text, p_version int, p_create text) returns boolean
language plpgsql as $$
begin
  perform from rebuilds r
  where r.projection = p_projection and r.version = p_version and r.ended_at is null
    and not r.prepared
  for update;
  if not found then
    return false;
  end if;
  delete from projection_positions o where o.projection = p_projection and o.build = 'rebuild';
  execute p_create;
  insert into projection_positions (projection, build, partition)
  select p_projection, 'rebuild', p.partition from partitions p;
  update rebuilds r set prepared = true, problem = null
  where r.projection = p_projection and r.ended_at is null;
  return true;
end
$$;

-- Compares the new table with the live one, both read from one snapshot in which both stand at
-- the same positions, and keeps the report. Nothing is locked: when the live build has moved in
-- the moment between the last events and the snapshot, the answer is `behind`, and it is tried
-- again. `p_start` and `p_row_start` are where an event and a row begin, for limits.
create function compare_rebuild(
  p_projection text,
  p_version int,
  p_apply text,
  p_start text,
  p_row_start text,
  p_events_max int,
  p_examples_max int
) returns text language plpgsql as $$
declare
  v_rebuilt text := p_projection || '_rebuild';
  v_limits jsonb;
  v_within text := '';
  v_keys text;
  v_first_key text;
  v_is_equal text;
  v_behind bigint;
  v_report jsonb;
begin
  select r.limits into v_limits from rebuilds r
  where r.projection = p_projection and r.version = p_version and r.ended_at is null
    and r.prepared;
  if not found then
    return 'none';
  end if;
  if v_limits <> '{}' then
    v_within := 'where within_limits($1, customer, content, ' || p_row_start || ')';
  end if;

  select
    string_agg(quote_ident(a.attname), ', ') filter (where a.attnum = any (i.indkey)),
    min(quote_ident(a.attname)) filter (where a.attnum = i.indkey[0]),
    coalesce(
      string_agg(format('l.%1$I is not distinct from r.%1$I', a.attname), ' and ')
        filter (where a.attnum <> all (i.indkey)),
      'true'
    )
  into v_keys, v_first_key, v_is_equal
  from pg_attribute a
  join pg_index i on i.indrelid = a.attrelid and i.indisprimary
  where a.attrelid = v_rebuilt::regclass and a.attnum > 0 and not a.attisdropped;

  select a.behind into v_behind
  from apply_events(p_projection, 'rebuild', p_version, p_apply, p_start, p_events_max) a;
  if v_behind > 0 then
    return 'behind';
  end if;

  execute format(
    $compare$
      with differing as materialized (
        select %2$s,
          case when r.%3$s is null then 'extra' when l.%3$s is null then 'missing'
            else 'different' end as kind
        from (select * from %4$I %6$s) as l
        full join (select * from %5$I %6$s) as r using (%2$s)
        where l.%3$s is null or r.%3$s is null or not (%1$s)
      ), counted as (
        select
          count(*) filter (where kind = 'missing') as missing,
          count(*) filter (where kind = 'extra') as extra,
          count(*) filter (where kind = 'different') as different
        from differing
      ), examples as (
        select picked.kind, jsonb_agg(
          jsonb_build_object(
            'live', (
              select (select jsonb_object_agg(key, value) from jsonb_each_text(to_jsonb(l)))
              from %4$I l where (%2$s) = (%7$s)
            ),
            'rebuilt', (
              select (select jsonb_object_agg(key, value) from jsonb_each_text(to_jsonb(r)))
              from %5$I r where (%2$s) = (%7$s)
            )
          ) order by %7$s
        ) as rows
        from (values ('missing'), ('extra'), ('different')) as kinds (kind)
        cross join lateral (
          select * from differing where differing.kind = kinds.kind order by %2$s limit $2
        ) as picked
        group by picked.kind
      )
      select jsonb_build_object(
        'comparedAt', to_char(statement_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'events', (
          select coalesce(sum(position), 0) from projection_positions
          where projection = $3 and build = 'rebuild'
        ),
        'equal', (select count(*) from %4$I %6$s) - extra - different,
        'missing', missing, 'extra', extra, 'different', different,
        'examples', coalesce(
          (select jsonb_object_agg(examples.kind, examples.rows) from examples), '{}'
        )
      )
      from counted
      where not exists (
        select from projection_positions own
        join projection_positions live using (projection, partition)
        where projection = $3 and own.build = 'rebuild' and live.build = 'live'
          and own.position <> live.position
      )
    $compare$,
    v_is_equal, v_keys, v_first_key, p_projection, v_rebuilt, v_within,
    (select string_agg('picked.' || k, ', ') from unnest(string_to_array(v_keys, ', ')) k)
  ) into v_report using v_limits, p_examples_max, p_projection;
  if v_report is null then
    return 'behind';
  end if;

  update rebuilds r set
    report = v_report,
    problem = null,
    differences = (v_report ->> 'missing')::bigint + (v_report ->> 'extra')::bigint
      + (v_report ->> 'different')::bigint
  where r.projection = p_projection and r.ended_at is null;
  return 'compared';
end
$$;

-- Gives one table the privileges of another, and takes those away that only it has.
create function copy_privileges(p_from regclass, p_to regclass) returns void
language plpgsql as $$
declare
  v_command text;
begin
  for v_command in
    select format(
      'revoke all on %s from %s', p_to,
      case when a.grantee = 0 then 'public' else a.grantee::regrole::text end
    )
    from pg_class c, aclexplode(c.relacl) a where c.oid = p_to and a.grantee <> c.relowner
    union all
    select format(
      'grant %s on %s to %s%s', a.privilege_type, p_to,
      case when a.grantee = 0 then 'public' else a.grantee::regrole::text end,
      case when a.is_grantable then ' with grant option' else '' end
    )
    from pg_class c, aclexplode(c.relacl) a where c.oid = p_from and a.grantee <> c.relowner
    union all
    select format(
      'grant %s (%I) on %s to %s%s', a.privilege_type, t.attname, p_to,
      case when a.grantee = 0 then 'public' else a.grantee::regrole::text end,
      case when a.is_grantable then ' with grant option' else '' end
    )
    from pg_attribute t, aclexplode(t.attacl) a
    where t.attrelid = p_from and t.attnum > 0 and not t.attisdropped
      and exists (select from pg_attribute n where n.attrelid = p_to and n.attname = t.attname)
  loop
    execute v_command;
  end loop;
end
$$;

-- Ends the running build: its positions go, and what became of it stays.
create function end_rebuild(p_projection text, p_outcome text) returns void
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

-- Ends a build that is not to be swapped in, and drops its table.
create function drop_rebuild(p_projection text, p_outcome text) returns void
language plpgsql as $$
begin
  perform from rebuilds r where r.projection = p_projection and r.ended_at is null for update;
  if found then
    perform end_rebuild(p_projection, p_outcome);
    execute format('drop table if exists %I', p_projection || '_rebuild');
  end if;
end
$$;

-- Puts the new table in the place of the live one, at exactly the live positions.
-- `behind`: more than a batch is missing, which is too much to hold up the live build for.
-- `none`: there is no build of this version, or it is paused. `different`: the tables differ or were not compared,
-- and nobody accepted that. `blocked`: something depends on the live table; the row says what.
-- Fails with lock_not_available when readers do not make room within `p_lock_ms`; then nothing
-- has changed, and readers have waited no longer than that.
create function swap_rebuild(
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

-- An event log that is being imported: see store/eventImport.ts. Its events become part of the
-- log all at once, when the last has come. They can be fetched again, so they need no WAL.
create table event_imports (
  id int primary key default 1 check (id = 1),
  header jsonb not null,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz
);
create unlogged table imported_events (
  partition int not null,
  position bigint not null,
  type text collate "C" not null,
  version int not null,
  customer text collate "C",
  content text collate "C",
  window_end timestamptz,
  data jsonb not null,
  recorded_at timestamptz not null,
  epoch bigint not null,
  sealed_by text not null,
  primary key (partition, position)
);
alter table imported_events alter column data set storage external;
