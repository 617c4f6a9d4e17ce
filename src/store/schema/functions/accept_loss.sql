-- Lets a stopped partition go on from another place of its stream, and records that as an event,
-- together or not at all. The state, with its open windows, stays. The new epoch fences whoever
-- still works from the old checkpoint, and makes the worker start the partition anew.
-- `running`: it may go on by itself. `conflict`: it is not as it was when the place was chosen.
create or replace function accept_loss(
  p_partition int,
  p_epoch bigint,
  p_expected_sequence bigint,
  p_expected_position bigint,
  p_stream_created text,
  p_sequence bigint,
  p_message_time text,
  p_counted_time text,
  p_empty_state jsonb,
  p_data jsonb,
  p_accepted_by text
) returns text language plpgsql as $$
declare
  v_before record;
begin
  select p.epoch, p.sequence, p.position, p.stopped, p.halted, p.sealed_through
    into v_before
  from partitions p where p.partition = p_partition for update;
  if not found then
    raise exception 'there is no partition %', p_partition;
  end if;
  if v_before.stopped is null or not v_before.halted then
    return 'running';
  end if;
  if (v_before.epoch, v_before.sequence, v_before.position)
    <> (p_epoch, p_expected_sequence, p_expected_position)
  then
    return 'conflict';
  end if;

  insert into events (partition, position, type, version, data, epoch, sealed_by)
  values (
    p_partition, p_expected_position + 1, 'LossAccepted', 1, p_data, p_epoch + 1, p_accepted_by
  );
  update partitions p set
    epoch = p_epoch + 1,
    stream_created = p_stream_created,
    sequence = p_sequence,
    message_time = p_message_time,
    loss_accepted_time = p_counted_time,
    incarnation = p.incarnation + 1,
    -- The window that is open now may hold sequences of both incarnations.
    sequences_from = coalesce(p.sealed_through, '-infinity') + (
      select s.value::bigint * interval '1 millisecond' from settings s where s.name = 'window_ms'
    ),
    position = p_expected_position + 1,
    state = coalesce(p.state, p_empty_state),
    checkpointed_at = clock_timestamp(),
    stopped = null
  where p.partition = p_partition;

  perform pg_notify('payload_stats_events', p_partition::text);
  perform pg_notify('payload_stats_partitions', '');
  return 'accepted';
end
$$;
