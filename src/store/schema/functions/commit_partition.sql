-- Writes a checkpoint, its events and its quarantined payloads together, or nothing of them.
-- `fenced`: the partition is under another epoch. `conflict`: the checkpoint is not the one that
-- this commit follows. The lock on the partition's row gives commits their order, and with it
-- positions without gaps.
--
-- The events of a commit are of one type and version. Their names and `data` come as columns of
-- lines: Postgres reads `data` in three quarters of the time that it takes as a part of a larger
-- object.
create or replace function commit_partition(
  p_partition int,
  p_epoch bigint,
  p_owner text,
  p_expected_sequence bigint,
  p_expected_position bigint,
  p_stream_created text,
  p_sequence bigint,
  p_message_time text,
  p_sealed_through timestamptz,
  p_state jsonb,
  p_type text,
  p_version int,
  p_events int,
  p_customers text,
  p_contents text,
  p_data text,
  p_quarantined jsonb
) returns text language plpgsql as $$
declare
  v_before record;
  v_added bigint;
begin
  select p.epoch, p.sequence, p.position, p.incarnation into v_before
  from partitions p where p.partition = p_partition for update;
  if not found then
    raise exception 'there is no partition %', p_partition;
  end if;
  if v_before.epoch <> p_epoch then
    return 'fenced';
  end if;
  if v_before.sequence <> p_expected_sequence or v_before.position <> p_expected_position then
    return 'conflict';
  end if;

  insert into events
    (partition, position, type, version, customer, content, window_end, data, epoch, sealed_by)
  select
    p_partition, p_expected_position + e.number, p_type, p_version, e.customer, e.content,
    (e.data ->> 'windowEnd')::timestamptz, e.data, p_epoch, p_owner
  from (
    select lines.customer, lines.content, lines.line::jsonb as data, lines.number
    from rows from (
      string_to_table(p_customers, E'\n'),
      string_to_table(p_contents, E'\n'),
      string_to_table(p_data, E'\n')
    ) with ordinality as lines (customer, content, line, number)
    -- Each line is parsed once and not once for each column.
    offset 0
  ) as e;
  get diagnostics v_added = row_count;
  -- A text with a line break in it would shift the names of all events after it.
  if v_added <> p_events then
    raise exception '% events were found in the text of %', v_added, p_events
      using errcode = 'invalid_parameter_value';
  end if;

  insert into quarantine (partition, incarnation, sequence, index, reason, found)
  select p_partition, v_before.incarnation, q.sequence, q.index, q.reason, q.found
  from jsonb_to_recordset(p_quarantined)
    as q (sequence bigint, index int, reason text, found text)
  on conflict do nothing;

  update partitions p set
    stream_created = p_stream_created,
    sequence = p_sequence,
    message_time = p_message_time,
    position = p_expected_position + v_added,
    sealed_through = p_sealed_through,
    state = p_state,
    checkpointed_at = clock_timestamp(),
    stopped = null
  where p.partition = p_partition;

  return 'committed';
end
$$;
