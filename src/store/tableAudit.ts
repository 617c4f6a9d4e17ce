/** Compares the tables with the fold of the events, in one statement and hence one snapshot. */
import type { TableAudit, TableComparison, TableDifference } from "../actors/historyPorts.ts";
import type { Database, Sql } from "./database.ts";

const differencesMax = 1_000;
/** A long log takes its time. */
const deadlineMs = 10 * 60 * 1_000;

/** The columns of a table, from its row and from an event, as text. */
const columnsOf = {
  stats: {
    ofRow: "jsonb_build_object('cdn', cdn::text, 'p2p', p2p::text)",
    ofEvent: "jsonb_build_object('cdn', d ->> 'cdn', 'p2p', d ->> 'p2p')",
  },
  sessions: {
    ofRow: "jsonb_build_object('sessions', sessions::text)",
    ofEvent: "jsonb_build_object('sessions', d ->> 'sessions')",
  },
} as const;

interface DifferenceRow {
  readonly events: bigint;
  readonly found: bigint | null;
  readonly time: Date | null;
  readonly customer: string;
  readonly content: string;
  readonly recorded: Record<string, string> | null;
  readonly expected: Record<string, string> | null;
}

export class PostgresTableAudit implements TableAudit {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async compare(
    table: "stats" | "sessions",
    afterMs: number,
    throughMs: number,
  ): Promise<TableComparison> {
    const rows = await this.#database.run(
      (sql) => selectDifferences(sql, table, afterMs, throughMs),
      deadlineMs,
    );
    const differences = rows.flatMap((row): TableDifference[] => {
      if (row.time === null) return [];
      const { customer, content, recorded, expected } = row;
      return [{ table, time: row.time.toISOString(), customer, content, recorded, expected }];
    });
    const [first] = rows;
    return {
      table,
      events: Number(first?.events ?? 0n),
      differences,
      differencesTotal: Number(first?.found ?? 0n),
    };
  }
}

/** Events that a table has not applied yet are no difference. */
function selectDifferences(
  sql: Sql,
  table: "stats" | "sessions",
  afterMs: number,
  throughMs: number,
) {
  const [after, through] = [new Date(Math.max(afterMs, 0)), new Date(throughMs)];
  const { ofRow, ofEvent } = columnsOf[table];
  return sql<DifferenceRow[]>`
    with folded as (
      select window_end as time, customer, content,
        ${sql.unsafe(ofEvent)} as expected
      from events
      cross join lateral (select event_data(type, version, data) as d) as newest
      join projection_positions applied using (partition)
      where applied.projection = ${table} and applied.build = 'live'
        and events.position <= applied.position and type = 'WindowSealed'
        and window_end > ${after} and window_end <= ${through}
    ), kept as (
      select time, customer, content, ${sql.unsafe(ofRow)} as recorded
      from ${sql(table)}
      where time > ${after} and time <= ${through}
    ), different as (
      select time, customer, content, recorded, expected, count(*) over () as found
      from folded full join kept using (time, customer, content)
      where recorded is distinct from expected
      order by time, customer, content
      limit ${differencesMax}
    )
    select (select count(*) from folded) as events, different.*
    from (select) as one left join different on true
  `;
}
