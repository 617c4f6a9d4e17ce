-- Begins or resumes the import of an event log into an empty database.
-- `started`, `resumed`: stage the events that are not staged yet. `done`: this log was imported
-- already. `other`: the import of another log has begun. `not empty`: the log has begun.
create or replace function start_import(p_header jsonb, p_restart boolean) returns text
language plpgsql as $$
declare
  v_import record;
begin
  perform pg_advisory_xact_lock(hashtextextended('payload_stats_import', 0));
  select i.header, i.finished_at into v_import from event_imports i;
  if found and v_import.header = p_header and v_import.finished_at is not null then
    return 'done';
  end if;
  if exists (select from events)
    or exists (select from partitions p where p.position > 0 or p.sequence > 0)
  then
    -- What was staged can never become the log any more.
    truncate imported_events;
    delete from event_imports i where i.finished_at is null;
    return 'not empty';
  end if;
  if v_import.header is not null and not p_restart then
    return case when v_import.header = p_header then 'resumed' else 'other' end;
  end if;
  truncate imported_events;
  delete from event_imports;
  insert into event_imports (header) values (p_header);
  return 'started';
end
$$;
