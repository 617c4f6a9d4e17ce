-- How an exported event log gets into an empty database (store/eventImport.ts): staged page by
-- page, then moved into the log by one statement. Until then nobody sees any of it.
drop table if exists event_imports, imported_events;
drop function if exists start_import(jsonb, boolean), stage_events(jsonb),
  finish_import(jsonb, jsonb);

-- The import under way: one row at the most.
create table event_imports (
  id int primary key default 1 check (id = 1),
  import uuid not null,
  -- For whoever looks at the table; the program does not read it.
  started_at timestamptz not null default clock_timestamp()
);

-- These events can be fetched again, so they need no WAL: a crash costs at most what was staged.
create unlogged table imported_events (like events including storage);
