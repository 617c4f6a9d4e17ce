-- Adds a page of an exported event log to what is staged. `staged`; `other`: another import has
-- begun meanwhile.
create or replace function stage_events(p_import uuid, p_events jsonb) returns text
language plpgsql as $$
begin
  -- Another import begins before this statement or after it.
  perform from event_imports i where i.import = p_import for share;
  if not found then
    return 'other';
  end if;
  insert into imported_events (
    partition, position, type, version, customer, content, window_end, data, recorded_at, epoch,
    sealed_by
  )
  select e.partition, e.position, e.type, e.version, e.customer, e.content, e."windowEnd", e.data,
    e."recordedAt", e.epoch, e."sealedBy"
  from jsonb_to_recordset(p_events) as e (
    partition int, position bigint, type text, version int, customer text, content text,
    "windowEnd" timestamptz, data jsonb, "recordedAt" timestamptz, epoch bigint, "sealedBy" text
  );
  return 'staged';
end
$$;
