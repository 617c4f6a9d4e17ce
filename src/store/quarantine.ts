/** What was quarantined, and what became of it. Rows are added by commits and never removed. */
import type {
  ClaimOutcome,
  QuarantineQuery,
  QuarantineRow,
  QuarantineState,
  QuarantineStore,
} from "../actors/operatorPorts.ts";
import type { QuarantinePlace } from "../domain/receipt.ts";
import type { Database } from "./database.ts";

/**
 * The owner of a partition remembers retries for a day of stream time, and 4,096 of them. Claims
 * stay well within both.
 */
const patience = "12 hours";
const memory = "25 hours";
const retriesMax = 2_048;
/** Characters that a list shows of what was found, which may be 64 KiB. */
const listedMax = 1_024;

interface Row {
  readonly id: bigint;
  readonly partition: number;
  readonly sequence: bigint;
  readonly index: number;
  readonly incarnation: number;
  readonly reason: string;
  readonly found: string;
  readonly quarantined_at: Date;
  readonly state: QuarantineState;
  readonly retried_as: string | null;
  readonly decided_at: Date | null;
  readonly decided_by: string | null;
}

export class PostgresQuarantineStore implements QuarantineStore {
  constructor(private readonly database: Database) {}

  async list(query: QuarantineQuery): Promise<readonly QuarantineRow[]> {
    const { partition, state, reason, before, limit } = query;
    const rows = await this.database.run(
      (sql) => sql<Row[]>`
        select id, partition, sequence, index, incarnation, reason,
          left(found, ${listedMax}) as found, quarantined_at, state, retried_as, decided_at,
          decided_by
        from quarantine
        where true
          ${partition === undefined ? sql`` : sql`and partition = ${partition}`}
          ${state === undefined ? sql`` : sql`and state = ${state}`}
          ${reason === undefined ? sql`` : sql`and reason = ${reason}`}
          ${before === undefined ? sql`` : sql`and id < ${before}`}
        order by id desc
        limit ${limit}
      `,
    );
    return rows.map(toQuarantineRow);
  }

  async find(place: QuarantinePlace): Promise<QuarantineRow | undefined> {
    const { partition, sequence, index, incarnation } = place;
    const [row] = await this.database.run(
      (sql) => sql<Row[]>`
        select * from quarantine
        where partition = ${partition} and sequence = ${sequence} and index = ${index}
          ${incarnation === undefined ? sql`` : sql`and incarnation = ${incarnation}`}
        order by incarnation desc
        limit 1
      `,
    );
    return row && toQuarantineRow(row);
  }

  async incarnation(partition: number): Promise<number> {
    const [row] = await this.database.run(
      (sql) => sql<{ incarnation: number }[]>`
        select incarnation from partitions where partition = ${partition}
      `,
    );
    return row?.incarnation ?? 0;
  }

  async claim(id: number, by: string): Promise<ClaimOutcome> {
    const [row] = await this.database.run(
      (sql) => sql<{ outcome: ClaimOutcome }[]>`
        select claim_retry(
          p_id => ${id},
          p_by => ${by},
          p_patience => ${patience}::text::interval,
          p_memory => ${memory}::text::interval,
          p_retries_max => ${retriesMax}
        ) as outcome
      `,
    );
    return row?.outcome ?? "unknown";
  }

  async retried(id: number, retriedAs: string): Promise<void> {
    await this.database.run(
      (sql) => sql`
        update quarantine
        set state = 'retried', retried_as = ${retriedAs}, decided_at = clock_timestamp()
        where id = ${id} and state = 'retrying'
      `,
    );
  }

  async discard(id: number, by: string): Promise<boolean> {
    const rows = await this.database.run(
      (sql) => sql`
        update quarantine
        set state = 'discarded', decided_by = ${by}, decided_at = clock_timestamp()
        where id = ${id} and (
          state = 'held' or state = 'retrying'
            and retry_started_at <= clock_timestamp() - ${patience}::text::interval
        )
        returning id
      `,
    );
    return rows.length > 0;
  }
}

function toQuarantineRow(row: Row): QuarantineRow {
  const { partition, index, incarnation } = row;
  return {
    id: Number(row.id),
    place: { partition, sequence: Number(row.sequence), index, incarnation },
    reason: row.reason,
    found: row.found,
    quarantinedAt: row.quarantined_at.toISOString(),
    state: row.state,
    retriedAs: row.retried_as,
    decidedAt: row.decided_at?.toISOString() ?? null,
    decidedBy: row.decided_by,
  };
}
