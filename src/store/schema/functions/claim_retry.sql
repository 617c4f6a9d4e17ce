-- Claims what was quarantined to publish it again. A claim whose outcome stayed unknown may be
-- made again for as long as the partition's owner is sure to recognise a message that was stored
-- already; that bounds the time, and how many there may be.
create or replace function claim_retry(
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
