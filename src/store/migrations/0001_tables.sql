-- Text is compared bytewise everywhere (collate "C"): the order of names must not depend on the
-- locale of the server.

create table settings (
  name text collate "C" primary key,
  value text not null,
  set_at timestamptz not null default clock_timestamp()
);
comment on table settings is 'What is fixed at the first start: window_ms and partitions';

-- One row for each partition: who owns it, and the checkpoint that its state is restored from.
create table partitions (
  partition int primary key,
  owner text collate "C",
  -- Fencing token: grows with every change of owner.
  epoch bigint not null default 0,
  -- Identity of the stream, and the last message of it that was applied.
  stream_created text not null default '',
  sequence bigint not null default 0,
  message_time text not null default '',
  -- Position of the last event; the events of a partition have the positions 1, 2, 3, ...
  position bigint not null default 0,
  sealed_through timestamptz,
  state jsonb,
  checkpointed_at timestamptz,
  -- Why the partition is stopped; null while it runs.
  stopped text
) with (fillfactor = 50);
-- The state is replaced often and read seldom: compressing it costs more than it saves.
alter table partitions alter column state set storage external;

create table workers (
  id text collate "C" primary key,
  host text not null,
  pid int not null,
  started_at timestamptz not null,
  lease_until timestamptz not null
);

create table events (
  partition int not null,
  position bigint not null,
  type text collate "C" not null,
  version int not null,
  customer text collate "C",
  content text collate "C",
  window_end timestamptz,
  data jsonb not null,
  recorded_at timestamptz not null default clock_timestamp(),
  -- Who sealed it, under which epoch: beside `data`, because `data` depends on the stream alone.
  epoch bigint not null,
  sealed_by text not null,
  primary key (partition, position),
  constraint events_sealed_window check (
    type <> 'WindowSealed'
    or (customer is not null and content is not null and window_end is not null)
  )
);
-- What makes `data` large are digests of tokens, which do not compress.
alter table events alter column data set storage external;
create unique index events_window_sealed_once on events (customer, content, window_end)
  where type = 'WindowSealed';
create index events_by_window_end on events (partition, window_end);

-- The event log only grows. Statement triggers also refuse what would touch no row; row triggers
-- stay in force for a partition of the table that is addressed directly.
create function refuse_change_of_events() returns trigger language plpgsql as $$
begin
  raise exception 'the event log is append-only: % on % is refused', tg_op, tg_table_name
    using errcode = 'restrict_violation';
end
$$;
create trigger events_append_only before update or delete or truncate on events
  for each statement execute function refuse_change_of_events();
create trigger events_append_only_rows before update or delete on events
  for each row execute function refuse_change_of_events();
-- Also in sessions that replay with `session_replication_role = replica`.
alter table events enable always trigger events_append_only;
alter table events enable always trigger events_append_only_rows;

create table quarantine (
  partition int not null,
  sequence bigint not null,
  index int not null,
  reason text not null,
  found text not null,
  quarantined_at timestamptz not null default clock_timestamp(),
  primary key (partition, sequence, index)
);
create index quarantine_by_time on quarantine (quarantined_at);

-- One row for each projection. A projection is applied by the worker that holds its lease.
create table projections (
  name text collate "C" primary key,
  version int not null,
  paused boolean not null default false,
  worker text collate "C",
  lease_until timestamptz not null default '-infinity',
  -- Null: no rebuild. The new table exists from `rebuild_prepared` on.
  rebuild_started_at timestamptz,
  rebuild_prepared boolean not null default false
) with (fillfactor = 50);

-- How far a projection has applied the events of each partition: `live` for the table that is
-- read, `rebuild` for the one that will take its place.
create table projection_positions (
  projection text collate "C" not null references projections,
  build text not null check (build in ('live', 'rebuild')),
  partition int not null references partitions,
  position bigint not null default 0,
  sealed_through timestamptz,
  primary key (projection, build, partition)
) with (fillfactor = 50);
