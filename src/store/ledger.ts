/** What the ledger counts: see `LedgerStore`. */
import type { LedgerEntry, LedgerStore } from "../actors/operatorPorts.ts";
import type { Database } from "./database.ts";

const deadlineMs = 30_000;

export class PostgresLedgerStore implements LedgerStore {
  constructor(private readonly database: Database) {}

  /**
   * One statement, hence one snapshot: a checkpoint, its events and its quarantine were written
   * together, and are seen together. A sum that is ahead of the log, as after a restored backup,
   * starts over. The counts are less than 2^53, and read as numbers.
   */
  async entries(since: readonly LedgerEntry[], eventsMax: number): Promise<readonly LedgerEntry[]> {
    const sums = since.map(({ partition, countedTo, sealed }) => ({
      partition,
      countedTo,
      sealed,
    }));
    return this.database.run(
      (sql) => sql<LedgerEntry[]>`
        with since as (
          select * from jsonb_to_recordset(${JSON.stringify(sums)}::text::jsonb)
            as s (partition int, "countedTo" bigint, sealed bigint)
        ), place as (
          select p.*, coalesce(s."countedTo", 0) as after, coalesce(s.sealed, 0) as sealed_before,
            count(*) filter (where p.position > coalesce(s."countedTo", 0)) over () as lagging
          from partitions p
          left join since s on s.partition = p.partition and s."countedTo" <= p.position
        ), step as (
          select place.*, least(position, after + greatest(${eventsMax} / greatest(lagging, 1), 1))
            as counted_to
          from place
        )
        select partition, sequence::float8, position::float8, counted_to::float8 as "countedTo",
          coalesce((state -> 'ledger' ->> 'read')::float8, 0) as read,
          coalesce((state -> 'ledger' ->> 'duplicates')::float8, 0) as duplicates,
          (sealed_before + (
            -- The column finds the number where the newest version has it; an older one may not.
            select coalesce(sum(coalesce(
              e.payloads, (event_data(e.type, e.version, e.data) ->> 'payloads')::bigint
            )), 0)::bigint
            from events e
            where e.partition = step.partition
              and e.position > step.after and e.position <= step.counted_to
          ))::float8 as sealed,
          (
            select coalesce(sum((w ->> 'payloads')::bigint), 0)::float8
            from jsonb_array_elements(state -> 'windows') as w
          ) as open,
          (
            select count(*)::float8 from quarantine q where q.partition = step.partition
          ) as quarantined
        from step order by partition
      `,
      deadlineMs,
    );
  }
}
