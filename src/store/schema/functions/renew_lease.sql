-- Renews a worker's lease by the database's clock and takes free partitions up to the worker's
-- share. A partition is free when it has no owner, or one whose lease has ended.
--
-- Renewals run one after the other: so each sees what the ones before it took, and none can take
-- a partition for free that a worker it does not know of yet has just taken.
create or replace function renew_lease(p_worker text, p_host text, p_pid int, p_lease_ms bigint)
returns table (owned jsonb, surplus int) language plpgsql as $$
declare
  v_joined boolean;
  v_alive text[];
  v_partitions int;
  v_rank int;
  v_share int;
  v_owned int;
begin
  perform pg_advisory_xact_lock(hashtextextended('payload_stats_leases', 0));

  delete from workers w where w.lease_until < clock_timestamp() - interval '1 hour';
  v_joined := not exists (
    select from workers w where w.id = p_worker and w.lease_until > clock_timestamp()
  );
  insert into workers (id, host, pid, started_at, lease_until)
  values (
    p_worker, p_host, p_pid, clock_timestamp(),
    clock_timestamp() + p_lease_ms * interval '1 millisecond'
  )
  on conflict (id) do update set
    host = excluded.host, pid = excluded.pid, lease_until = excluded.lease_until;

  -- The share is a function of the workers alive: the first of them, by id, have one more when
  -- the partitions do not divide evenly.
  select array_agg(w.id order by w.id) into v_alive
  from workers w where w.lease_until > clock_timestamp() or w.id = p_worker;
  select count(*), count(*) filter (where p.owner = p_worker) into v_partitions, v_owned
  from partitions p;
  v_rank := array_position(v_alive, p_worker collate "C");
  v_share := v_partitions / cardinality(v_alive)
    + case when v_rank <= v_partitions % cardinality(v_alive) then 1 else 0 end;

  -- A row that is locked belongs to a commit under way: it is taken at the next renewal.
  with free as materialized (
    select f.partition from partitions f
    where f.owner is null or f.owner <> all (v_alive)
    order by f.partition
    limit greatest(v_share - v_owned, 0)
    for update skip locked
  )
  update partitions p set owner = p_worker, epoch = p.epoch + 1
  from free where p.partition = free.partition;

  -- The others may now have more than their share.
  if v_joined then
    perform pg_notify('payload_stats_partitions', '');
  end if;

  return query
    select
      coalesce(
        jsonb_agg(
          jsonb_build_object('partition', p.partition, 'epoch', p.epoch) order by p.partition
        ),
        '[]'
      ),
      greatest(count(*)::int - v_share, 0)
    from partitions p where p.owner = p_worker;
end
$$;
