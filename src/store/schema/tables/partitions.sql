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
  stopped text,
  -- A loss that was accepted may let the sequences of a partition's stream start over. The number
  -- of the incarnation keeps what was found under a sequence before apart from what is found after.
  incarnation int not null default 0,
  -- Broker time up to which every message was read or given up in earlier incarnations.
  loss_accepted_time text not null default '',
  -- Windows that end by then may name sequences of an earlier incarnation.
  sequences_from timestamptz not null default '-infinity'
) with (fillfactor = 50);
-- The state is replaced often and read seldom: compressing it costs more than it saves.
alter table partitions alter column state set storage external;

create table workers (
  id text collate "C" primary key,
  host text not null,
  pid int not null,
  -- For whoever looks at the table; the program does not read it.
  started_at timestamptz not null,
  lease_until timestamptz not null
);

-- What could not be applied, with its reason, and what was decided about it.
create table quarantine (
  partition int not null,
  sequence bigint not null,
  index int not null,
  reason text not null,
  found text not null,
  quarantined_at timestamptz not null default clock_timestamp(),
  id bigint generated always as identity,
  incarnation int not null default 0,
  -- `retrying`: it is being published again, and whether that happened is not known yet.
  state text collate "C" not null default 'held'
    check (state in ('held', 'retrying', 'retried', 'discarded')),
  retry_started_at timestamptz,
  -- The receipt under which it stands in the stream again.
  retried_as text,
  decided_at timestamptz,
  decided_by text,
  primary key (partition, sequence, index, incarnation)
);
create unique index quarantine_by_id on quarantine (id);
-- Bounds how many retries of a partition its owner may have to remember.
create index quarantine_retries on quarantine (partition, retry_started_at)
  where retry_started_at is not null;
