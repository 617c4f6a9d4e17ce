-- Begins the import of an event log, and gives up any other that has begun. Returns what tells it
-- from others, or null when the log is not empty, so that none can be imported.
create or replace function start_import() returns uuid language plpgsql as $$
declare
  v_import uuid;
begin
  -- Waits for the end of one that is becoming the log.
  insert into event_imports as i (import) values (gen_random_uuid())
  on conflict (id) do update set import = excluded.import, started_at = excluded.started_at
  returning i.import into v_import;
  truncate imported_events;
  if exists (select from events)
    or exists (select from partitions p where p.position > 0 or p.sequence > 0)
  then
    delete from event_imports;
    return null;
  end if;
  return v_import;
end
$$;
