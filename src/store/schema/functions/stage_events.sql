-- Adds a page of an exported event log to what is staged.
create or replace function stage_events(p_events jsonb) returns void language sql as $$
  insert into imported_events (
    partition, position, type, version, customer, content, window_end, data, recorded_at, epoch,
    sealed_by
  )
  select e.partition, e.position, e.type, e.version, e.customer, e.content, e."windowEnd", e.data,
    e."recordedAt", e.epoch, e."sealedBy"
  from jsonb_to_recordset(p_events) as e (
    partition int, position bigint, type text, version int, customer text, content text,
    "windowEnd" timestamptz, data jsonb, "recordedAt" timestamptz, epoch bigint, "sealedBy" text
  )
$$;
