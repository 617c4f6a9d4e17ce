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
  -- The ledger adds up payloads over the whole log. In `data` they may stand behind megabytes of
  -- digests, which would have to be read along.
  payloads bigint generated always as ((data ->> 'payloads')::bigint) stored,
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

-- Statement triggers also refuse what would touch no row; row triggers stay in force for a
-- partition of the table that is addressed directly.
create trigger events_append_only before update or delete or truncate on events
  for each statement execute function refuse_change_of_events();
create trigger events_append_only_rows before update or delete on events
  for each row execute function refuse_change_of_events();
-- Also in sessions that replay with `session_replication_role = replica`.
alter table events enable always trigger events_append_only;
alter table events enable always trigger events_append_only_rows;
