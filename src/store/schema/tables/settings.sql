create table settings (
  name text collate "C" primary key,
  value text not null,
  set_at timestamptz not null default clock_timestamp()
);
comment on table settings is 'What is fixed at the first start: window_ms and partitions';

-- SESSION_MEMORY may change from one run to the next, and what counts as a session depends on it.
-- Each worker notes what it counts with before it begins; `events.sealed_by` says which worker made
-- an event. So every event can be made again under the memory that it was made under.
create table session_memories (
  worker text collate "C" primary key,
  session_memory_ms bigint not null,
  noted_at timestamptz not null default clock_timestamp()
);
