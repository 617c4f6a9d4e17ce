/**
 * Ownership of partitions. A worker's lease is one row with a time by the database's clock; its
 * partitions are free for others when that time has passed. Every change of owner makes the
 * partition's epoch grow, and commits of an older epoch are refused.
 */
import type { LeaseState, LeaseStore, Ownership, WorkerIdentity } from "../actors/ports.ts";
import type { Database } from "./database.ts";
import { projectionsChannel } from "./projectionState.ts";

const partitionsChannel = "payload_stats_partitions";

export class PostgresLeaseStore implements LeaseStore {
  /** @param database whose statements have a deadline that is a good deal less than the lease. */
  constructor(private readonly database: Database) {}

  async renew(worker: WorkerIdentity, leaseMs: number): Promise<LeaseState> {
    const [row] = await this.database.run(
      (sql) => sql<{ owned: Ownership[]; surplus: number }[]>`
        select owned, surplus
        from renew_lease(${worker.id}, ${worker.host}, ${worker.pid}, ${leaseMs})
      `,
    );
    if (row === undefined) throw new Error("renew_lease returned nothing");
    return row;
  }

  /** Leaves alone what another worker owns. */
  async release(worker: WorkerIdentity, partitions: readonly number[]): Promise<void> {
    if (partitions.length === 0) return;
    await this.database.run(
      (sql) => sql`
        update partitions set owner = null
        where owner = ${worker.id} and partition = any (${intArray(partitions)}::int[])
        returning pg_notify(${partitionsChannel}, '')
      `,
    );
  }

  async leave(worker: WorkerIdentity): Promise<void> {
    await this.forget([worker.id]);
  }

  /** Without their rows the partitions of the workers, and their projections, are free. */
  async forget(workerIds: readonly string[]): Promise<void> {
    if (workerIds.length === 0) return;
    await this.database.run(
      (sql) => sql`
        with ids as (
          select jsonb_array_elements_text(${JSON.stringify(workerIds)}::text::jsonb) as id
        ), gone as (
          delete from workers where id in (table ids)
        ), released as (
          update partitions set owner = null where owner in (table ids)
        ), projecting as (
          update projections set worker = null, lease_until = '-infinity'
          where worker in (table ids)
          returning pg_notify(${projectionsChannel}, name)
        )
        select pg_notify(${partitionsChannel}, '')
      `,
    );
  }

  async workers(): Promise<readonly WorkerIdentity[]> {
    const rows = await this.database.run(
      (sql) => sql<WorkerIdentity[]>`
        select id, host, pid from workers where lease_until > clock_timestamp() order by id
      `,
    );
    return [...rows];
  }

  /** Also calls back when a worker joins, since others may then have more than their share. */
  onChange(callback: () => void): () => void {
    return this.database.listen(partitionsChannel, callback);
  }
}

function intArray(numbers: readonly number[]): string {
  return `{${numbers.join(",")}}`;
}
