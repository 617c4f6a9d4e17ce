-- How an exported event log gets into an empty database (store/eventImport.ts): staged page by
-- page, then moved into the log by one statement. Until then nobody sees any of it.
create table event_imports (
  id int primary key default 1 check (id = 1),
  header jsonb not null,
  -- For whoever looks at the table; the program does not read it.
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz
);

-- These events can be fetched again, so they need no WAL: a crash costs at most what was staged.
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
