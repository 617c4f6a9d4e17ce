-- What operators and the ledger need: losses that were accepted, decisions on quarantine, and the
-- number of payloads of each event beside its data.

-- A loss that was accepted may let the sequences of a partition's stream start over. The number of
-- the incarnation keeps what was found under a sequence before apart from what is found after.
alter table partitions
  add column incarnation int not null default 0,
  -- Broker time up to which every message was read or given up in earlier incarnations.
  add column loss_accepted_time text not null default '',
  -- Windows that end by then may name sequences of an earlier incarnation.
  add column sequences_from timestamptz not null default '-infinity';

-- The ledger adds up payloads over the whole log. In `data` they may stand behind megabytes of
-- digests, which would have to be read along.
alter table events
  add column payloads bigint generated always as ((data ->> 'payloads')::bigint) stored;

alter table quarantine
  add column id bigint generated always as identity,
  add column incarnation int not null default 0,
  -- `retrying`: it is being published again, and whether that happened is not known yet.
  add column state text collate "C" not null default 'held'
    check (state in ('held', 'retrying', 'retried', 'discarded')),
  add column retry_started_at timestamptz,
  -- The receipt under which it stands in the stream again.
  add column retried_as text,
  add column decided_at timestamptz,
  add column decided_by text;
alter table quarantine
  drop constraint quarantine_pkey,
  add primary key (partition, sequence, index, incarnation);
create unique index quarantine_by_id on quarantine (id);
drop index quarantine_by_time;
-- Bounds how many retries of a partition its owner may have to remember.
create index quarantine_retries on quarantine (partition, retry_started_at)
  where retry_started_at is not null;

-- As before, and notes the incarnation beside what is quarantined.
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
  p_events jsonb,
  p_quarantined jsonb
) returns text language plpgsql as $$
declare
  v_before record;
  v_added bigint;
begin
  select p.epoch, p.sequence, p.position, p.sealed_through, p.incarnation into v_before
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
    p_partition, p_expected_position + e.number, e.type, e.version, e.customer, e.content,
    (e.data ->> 'windowEnd')::timestamptz, e.data, p_epoch, p_owner
  from rows from (
    jsonb_to_recordset(p_events)
      as (type text, version int, customer text, content text, data jsonb)
  ) with ordinality as e (type, version, customer, content, data, number);
  get diagnostics v_added = row_count;

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

  if v_added > 0 or p_sealed_through is distinct from v_before.sealed_through then
    perform pg_notify('payload_stats_events', p_partition::text);
  end if;
  return 'committed';
end
$$;

-- Lets a stopped partition go on from another place of its stream, and records that as an event,
-- together or not at all. The state, with its open windows, stays. The new epoch fences whoever
-- still works from the old checkpoint, and makes the worker start the partition anew.
-- `running`: it is not stopped. `conflict`: it is not as it was when the place was chosen.
create function accept_loss(
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
  select p.epoch, p.sequence, p.position, p.stopped, p.sealed_through into v_before
  from partitions p where p.partition = p_partition for update;
  if not found then
    raise exception 'there is no partition %', p_partition;
  end if;
  if v_before.stopped is null then
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

-- Claims what was quarantined to publish it again. A claim whose outcome stayed unknown may be
-- made again for as long as the partition's owner is sure to recognise a message that was stored
-- already; that bounds the time, and how many there may be.
create function claim_retry(
  p_id bigint,
  p_by text,
  p_patience interval,
  p_memory interval,
  p_retries_max int
) returns text language plpgsql as $$
declare
  v_row record;
  v_retries bigint;
begin
  select q.partition, q.state, q.retry_started_at into v_row
  from quarantine q where q.id = p_id for update;
  if not found then
    return 'unknown';
  end if;
  if v_row.state in ('retried', 'discarded') then
    return v_row.state;
  end if;
  if v_row.state = 'retrying' then
    return case
      when v_row.retry_started_at > clock_timestamp() - p_patience then 'claimed'
      else 'uncertain'
    end;
  end if;
  -- One claim of a partition at a time, so that the count holds.
  perform pg_advisory_xact_lock(
    hashtextextended('payload_stats_retries', v_row.partition::bigint)
  );
  select count(*) into v_retries from quarantine q
  where q.partition = v_row.partition and q.retry_started_at > clock_timestamp() - p_memory;
  if v_retries >= p_retries_max then
    return 'busy';
  end if;
  update quarantine q
  set state = 'retrying', retry_started_at = clock_timestamp(), decided_by = p_by
  where q.id = p_id;
  return 'claimed';
end
$$;
