/** Scratch tables for the numbers of other rules. Nothing else is written. */
import type {
  BucketPair,
  ScratchTable,
  WhatIfAbout,
  WhatIfComparison,
  WhatIfRow,
  WhatIfStore,
} from "../actors/whatIfPorts.ts";
import { isObject, parseJson } from "../domain/json.ts";
import type { Database } from "./database.ts";

const deadlineMs = 10 * 60 * 1_000;

export class PostgresWhatIfStore implements WhatIfStore {
  constructor(private readonly database: Database) {}

  async shownThrough(): Promise<number> {
    const [row] = await this.database.run(
      (sql) => sql<{ through: Date | null }[]>`
        select min(coalesce(sealed_through, 'epoch')) as through from projection_positions
        where projection in ('stats', 'sessions') and build = 'live'
      `,
    );
    return row?.through?.getTime() ?? 0;
  }

  async create(about: WhatIfAbout): Promise<string> {
    const table = `what_if_${crypto.randomUUID().slice(0, 8)}`;
    await this.database.run((sql) =>
      sql
        .unsafe(
          `create table ${table} (
             time timestamptz not null,
             customer text collate "C" not null,
             content text collate "C" not null,
             cdn bigint not null,
             p2p bigint not null,
             sessions bigint not null,
             primary key (time, customer, content)
           );
           ${comment(table, about, false)}`,
        )
        .simple(),
    );
    return table;
  }

  async append(table: string, rows: readonly WhatIfRow[]): Promise<void> {
    await this.database.run(
      (sql) => sql`
        insert into ${sql(table)} (time, customer, content, cdn, p2p, sessions)
        select time, customer, content, cdn, p2p, sessions
        from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r (
          time timestamptz, customer text, content text, cdn bigint, p2p bigint, sessions bigint
        )
      `,
    );
  }

  async complete(table: string, about: WhatIfAbout): Promise<void> {
    await this.database.run((sql) => sql.unsafe(comment(table, about, true)));
  }

  async compare(
    table: string,
    range: { readonly bucketMs: number; readonly fromMs: number; readonly toMs: number },
    limit: number,
  ): Promise<WhatIfComparison> {
    const rows = await this.database.run(
      (sql) => sql<ComparisonRow[]>`
        with range as (
          select ${range.bucketMs}::float8 * interval '1 millisecond' as bucket,
            ${new Date(range.fromMs)}::timestamptz as after,
            ${new Date(range.toMs)}::timestamptz as through
        ), sides as (
          select time, customer, content, cdn as a_cdn, p2p as a_p2p, sessions as a_sessions,
            0 as b_cdn, 0 as b_p2p, 0 as b_sessions
          from ${sql(table)}
          union all
          select time, customer, content, 0, 0, 0, cdn, p2p, sessions
          from stats full join sessions using (time, customer, content)
        ), pairs as (
          select customer, content,
            date_bin(bucket, time - interval '1 microsecond', timestamptz 'epoch') + bucket
              as bucket_end,
            coalesce(sum(a_cdn), 0) as a_cdn, coalesce(sum(a_p2p), 0) as a_p2p,
            coalesce(sum(a_sessions), 0) as a_sessions, coalesce(sum(b_cdn), 0) as b_cdn,
            coalesce(sum(b_p2p), 0) as b_p2p, coalesce(sum(b_sessions), 0) as b_sessions
          from sides, range
          where time > after and time <= through
          group by 1, 2, 3
        ), totals as (
          select count(*)::text as buckets,
            count(*) filter (where a_cdn = b_cdn and a_p2p = b_p2p)::text as bytes_equal,
            count(*) filter (where a_sessions = b_sessions)::text as sessions_equal,
            coalesce(sum(a_cdn), 0)::text as all_a_cdn, coalesce(sum(a_p2p), 0)::text as all_a_p2p,
            coalesce(sum(a_sessions), 0)::text as all_a_sessions,
            coalesce(sum(b_cdn), 0)::text as all_b_cdn, coalesce(sum(b_p2p), 0)::text as all_b_p2p,
            coalesce(sum(b_sessions), 0)::text as all_b_sessions
          from pairs
        ), shown as (
          select bucket_end, customer, content, a_cdn::text, a_p2p::text, a_sessions::text,
            b_cdn::text, b_p2p::text, b_sessions::text
          from pairs
          order by (a_cdn, a_p2p, a_sessions) = (b_cdn, b_p2p, b_sessions),
            pairs.bucket_end, customer, content
          limit ${limit}
        )
        select * from totals left join shown on true
      `,
      deadlineMs,
    );
    return toComparison(rows);
  }

  async list(): Promise<readonly ScratchTable[]> {
    const tables = await this.database.run(
      (sql) => sql<{ name: string; comment: string | null }[]>`
        select relname::text as name, obj_description(oid, 'pg_class') as comment
        from pg_class
        where relkind = 'r' and relname ~ '^what_if_[0-9a-f]{8}$'
          and relnamespace = 'public'::regnamespace
        order by relname
      `,
    );
    const found: ScratchTable[] = [];
    for (const { name, comment } of tables) {
      const about = readAbout(comment);
      if (about !== undefined) {
        const { isComplete } = about;
        found.push({ table: name, about, isComplete, rows: await this.#count(name) });
      }
    }
    return found;
  }

  async drop(table: string): Promise<void> {
    await this.database.run((sql) => sql`drop table ${sql(table)}`);
  }

  async #count(table: string): Promise<number> {
    const [row] = await this.database.run(
      (sql) => sql<{ count: bigint }[]>`select count(*) as count from ${sql(table)}`,
    );
    return Number(row?.count ?? 0n);
  }
}

type Side = "cdn" | "p2p" | "sessions";
type ComparisonRow = Readonly<
  Record<`${"a" | "b" | "all_a" | "all_b"}_${Side}`, string> &
    Record<"buckets" | "bytes_equal" | "sessions_equal" | "customer" | "content", string>
> & { readonly bucket_end: Date | null };

function sums(row: ComparisonRow | undefined, side: "a" | "b" | "all_a" | "all_b") {
  return {
    cdn: BigInt(row?.[`${side}_cdn`] ?? 0),
    p2p: BigInt(row?.[`${side}_p2p`] ?? 0),
    sessions: BigInt(row?.[`${side}_sessions`] ?? 0),
  };
}

function toComparison(rows: readonly ComparisonRow[]): WhatIfComparison {
  const [first] = rows;
  return {
    buckets: Number(first?.buckets ?? 0),
    bytesEqual: Number(first?.bytes_equal ?? 0),
    sessionsEqual: Number(first?.sessions_equal ?? 0),
    whatIf: sums(first, "all_a"),
    today: sums(first, "all_b"),
    pairs: rows.flatMap((row): BucketPair[] => {
      if (row.bucket_end === null) return [];
      const { customer, content } = row;
      const time = row.bucket_end.toISOString();
      return [{ time, customer, content, whatIf: sums(row, "a"), today: sums(row, "b") }];
    }),
  };
}

/** What a table says of itself. */
interface Commented extends WhatIfAbout {
  readonly isComplete: boolean;
}

function comment(table: string, about: WhatIfAbout, isComplete: boolean): string {
  const { windowMs, countTokenOnce, sessionMemoryMs, fromMs, toMs } = about;
  const noted = { windowMs, countTokenOnce, sessionMemoryMs, fromMs, toMs, isComplete };
  // Numbers and booleans: there is nothing in it to quote.
  return `comment on table ${table} is '${JSON.stringify(noted)}';`;
}

/** Undefined when the table is not one of ours. */
function readAbout(comment: string | null): Commented | undefined {
  const value = parseJson(comment ?? "");
  return isAbout(value) ? value : undefined;
}

function isAbout(value: unknown): value is Commented {
  return isObject(value) && "windowMs" in value && "isComplete" in value;
}
