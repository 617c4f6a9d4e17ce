-- One row for each projection. A projection is applied by the worker that holds its lease.
create table projections (
  name text collate "C" primary key,
  version int not null,
  paused boolean not null default false,
  worker text collate "C",
  lease_until timestamptz not null default '-infinity',
  -- The statement that fits the live table: a newer program keeps an older table up to date by it.
  live_apply text
) with (fillfactor = 50);

-- How far a projection has applied the events of each partition: `live` for the table that is
-- read, `rebuild` for the one that will take its place.
create table projection_positions (
  projection text collate "C" not null references projections,
  build text not null check (build in ('live', 'rebuild')),
  partition int not null references partitions,
  position bigint not null default 0,
  sealed_through timestamptz,
  -- Time that the steps of this build took, shared among the partitions of each step.
  busy_ms float8 not null default 0,
  primary key (projection, build, partition)
) with (fillfactor = 50);

-- The running build beside the live table, one for each projection, and those that have ended.
create table rebuilds (
  id bigint generated always as identity primary key,
  projection text collate "C" not null references projections,
  -- `rebuild`: the same version anew. `upgrade`: a newer version. `verify`: to compare, not to
  -- swap.
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
