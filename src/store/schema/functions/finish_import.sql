-- Fixes the settings, moves the staged events into the log and the partitions to their ends.
-- `imported`; `not empty`: the log has begun; `other`: another import has begun; `incomplete`:
-- events are missing that were staged, as after a crash of Postgres; `other settings`: others were
-- fixed meanwhile.
--
-- The checkpoints follow no stream that exists, so that none is read as if it went on from them: a
-- partition stops until someone accepts that. Then it reads what a stream holds of the time after
-- the last sealed window, be it a new stream or the one that the events came from. A partition
-- whose loss was accepted before any of its windows was sealed has events, but no such time.
-- `p_empty_state` is the state of a partition that has read nothing; it gets the time and the
-- ledger that the events tell of.
create or replace function finish_import(p_import uuid, p_header jsonb, p_empty_state jsonb)
returns text language plpgsql as $$
begin
  perform from event_imports i where i.import = p_import for update;
  if not found then
    return 'other';
  end if;
  if (select sum((p ->> 'position')::bigint) from jsonb_array_elements(p_header -> 'partitions') p)
    <> (select count(*) from imported_events)
  then
    return 'incomplete';
  end if;
  if exists (
    select from ensure_settings(
      (p_header ->> 'windowMs')::bigint, jsonb_array_length(p_header -> 'partitions')
    ) as fixed
    where (fixed.name, fixed.value) not in (
      ('window_ms', p_header ->> 'windowMs'),
      ('partitions', jsonb_array_length(p_header -> 'partitions')::text)
    )
  ) then
    return 'other settings';
  end if;
  perform from (select from partitions p order by p.partition for update) as locked;
  if exists (select from events)
    or exists (select from partitions p where p.position > 0 or p.sequence > 0)
  then
    delete from event_imports;
    truncate imported_events;
    return 'not empty';
  end if;

  insert into events (
    partition, position, type, version, customer, content, window_end, data, recorded_at, epoch,
    sealed_by
  )
  select e.partition, e.position, e.type, e.version, e.customer, e.content, e.window_end, e.data,
    e.recorded_at, e.epoch, e.sealed_by
  from imported_events e order by e.partition, e.position;
  update partitions p set
    position = promised.position,
    sealed_through = promised."sealedThrough",
    stream_created = 'before the import',
    loss_accepted_time = coalesce(
      (floor(extract(epoch from promised."sealedThrough") * 1000000000) - 1)::numeric(40)::text,
      p.loss_accepted_time
    ),
    state = p_empty_state || jsonb_build_object(
      'timeMs', coalesce(floor(extract(epoch from promised."sealedThrough") * 1000), 0),
      'ledger', (
        select jsonb_build_object(
          'read', coalesce(sum(c.payloads + c.duplicates), 0),
          'sealed', coalesce(sum(c.payloads), 0),
          'duplicates', coalesce(sum(c.duplicates), 0),
          'quarantined', 0
        )
        from (
          select (event_data(e.type, e.version, e.data) ->> 'payloads')::bigint as payloads,
            (event_data(e.type, e.version, e.data) ->> 'duplicates')::bigint as duplicates
          from events e where e.partition = p.partition and e.type = 'WindowSealed'
        ) as c
      )
    ),
    checkpointed_at = clock_timestamp()
  from jsonb_to_recordset(p_header -> 'partitions')
    as promised (partition int, position bigint, "sealedThrough" timestamptz)
  where p.partition = promised.partition
    and (promised.position > 0 or promised."sealedThrough" is not null);
  delete from event_imports;
  truncate imported_events;
  perform pg_notify('payload_stats_events', '');
  return 'imported';
end
$$;
