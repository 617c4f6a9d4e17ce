import postgres from "postgres";
import type { NaiveRow } from "./naiveModel.ts";

/** The tables `stats` and `sessions` in the form of the naive model's rows, read with plain SQL. */
export async function readTables(
  databaseUrl: string,
): Promise<Map<string, Omit<NaiveRow, "payloads">>> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<
      {
        end_ms: string;
        customer: string;
        content: string;
        cdn: string;
        p2p: string;
        sessions: number;
      }[]
    >`
      select (extract(epoch from time) * 1000)::bigint::text as end_ms, customer, content,
        stats.cdn::text, stats.p2p::text, sessions.sessions::int as sessions
      from stats full join sessions using (time, customer, content)
    `;
    return new Map(
      rows.map((row) => [
        JSON.stringify([Number(row.end_ms), row.customer, row.content]),
        { cdn: BigInt(row.cdn), p2p: BigInt(row.p2p), sessions: row.sessions },
      ]),
    );
  } finally {
    await sql.end();
  }
}

/** The naive model's rows without what the tables do not hold. */
export function withoutPayloads(
  rows: ReadonlyMap<string, NaiveRow>,
): Map<string, Omit<NaiveRow, "payloads">> {
  return new Map([...rows].map(([name, { cdn, p2p, sessions }]) => [name, { cdn, p2p, sessions }]));
}

/** Up to when every projection has every row, epoch ms; 0 before the first window. */
export async function sealedThroughMs(databaseUrl: string): Promise<number> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const [row] = await sql<{ ms: string | null }[]>`
      select case when count(*) = count(sealed_through)
        then (extract(epoch from min(sealed_through)) * 1000)::bigint::text end as ms
      from projection_positions where build = 'live'
    `;
    return Number(row?.ms ?? 0);
  } finally {
    await sql.end();
  }
}
