/** What the database says, read with SQL of its own. */
import postgres from "postgres";

interface SealedRow {
  readonly name: string;
  readonly partition: number;
  readonly cdn: string;
  readonly p2p: string;
  readonly sessions: number;
  readonly payloads: number;
  readonly duplicates: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

interface TableRow {
  readonly name: string;
  /** Null where one of the two tables has no such row. */
  readonly cdn: string | null;
  readonly p2p: string | null;
  readonly sessions: number | null;
}

interface PartitionRow {
  readonly partition: number;
  readonly sequence: number;
  readonly stopped: string | null;
  readonly owned: boolean;
  /** From the stored state: what became of the payloads read. */
  readonly read: number;
  readonly sealed: number;
  readonly duplicates: number;
  readonly quarantined: number;
  readonly open: number;
}

export interface DatabaseContent {
  readonly events: readonly SealedRow[];
  readonly tables: readonly TableRow[];
  readonly partitions: readonly PartitionRow[];
  readonly quarantined: number;
  /** Sentences about what breaks an order that must hold. */
  readonly disorder: readonly string[];
}

export async function readDatabase(databaseUrl: string): Promise<DatabaseContent> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const events = await readEvents(sql);
    const tables = await readTables(sql);
    const partitions = await readPartitions(sql);
    const [quarantine] = await sql<{ count: number }[]>`select count(*)::int from quarantine`;
    const disorder = await readDisorder(sql);
    const named = <Row extends NameParts>(row: Row) => ({ ...row, name: nameOf(row) });
    return {
      events: events.map(named),
      tables: tables.map(named),
      partitions: [...partitions],
      quarantined: quarantine?.count ?? 0,
      disorder,
    };
  } finally {
    await sql.end();
  }
}

interface NameParts {
  readonly end_ms: string;
  readonly customer: string;
  readonly content: string;
}

function nameOf({ end_ms, customer, content }: NameParts): string {
  return JSON.stringify([Number(end_ms), customer, content]);
}

function readEvents(sql: postgres.Sql) {
  return sql<(Omit<SealedRow, "name"> & NameParts)[]>`
    select partition, customer, content,
      (extract(epoch from window_end) * 1000)::bigint::text as end_ms,
      data ->> 'cdn' as cdn, data ->> 'p2p' as p2p,
      (data ->> 'sessions')::int as sessions, (data ->> 'payloads')::int as payloads,
      (data ->> 'duplicates')::int as duplicates,
      (data ->> 'firstSequence')::int as "firstSequence",
      (data ->> 'lastSequence')::int as "lastSequence"
    from events where type = 'WindowSealed' order by partition, position
  `;
}

function readTables(sql: postgres.Sql) {
  return sql<(Omit<TableRow, "name"> & NameParts)[]>`
    select customer, content, (extract(epoch from time) * 1000)::bigint::text as end_ms,
      stats.cdn::text as cdn, stats.p2p::text as p2p, sessions.sessions::int as sessions
    from stats full join sessions using (time, customer, content)
  `;
}

function readPartitions(sql: postgres.Sql) {
  return sql<PartitionRow[]>`
    select p.partition, p.sequence::int as sequence, p.stopped,
      exists (select from workers w where w.id = p.owner and w.lease_until > clock_timestamp())
        as owned,
      coalesce((p.state #>> '{ledger,read}')::int, 0) as read,
      coalesce((p.state #>> '{ledger,sealed}')::int, 0) as sealed,
      coalesce((p.state #>> '{ledger,duplicates}')::int, 0) as duplicates,
      coalesce((p.state #>> '{ledger,quarantined}')::int, 0) as quarantined,
      (select coalesce(sum((w ->> 'payloads')::int), 0)::int
       from jsonb_array_elements(coalesce(p.state -> 'windows', '[]')) w) as open
    from partitions p order by p.partition
  `;
}

async function readDisorder(sql: postgres.Sql): Promise<string[]> {
  const rows = await sql<{ partition: number; position: string; what: string }[]>`
    select partition, position::text, what from (
      select partition, position,
        case
          when position <> row_number() over same_partition then 'its position leaves a gap'
          when window_end < lag(window_end) over same_partition then 'its window was sealed late'
          when epoch < lag(epoch) over same_partition then 'its epoch is older than the last'
        end as what
      from events window same_partition as (partition by partition order by position)
    ) as checked
    where what is not null order by partition, position
  `;
  const twice = await sql<{ text: string }[]>`
    select concat_ws(' ', customer, content, window_end) as text from events
    where type = 'WindowSealed' group by customer, content, window_end having count(*) > 1
  `;
  return [
    ...rows.map((row) => `event ${row.partition}.${row.position}: ${row.what}`),
    ...twice.map(({ text }) => `sealed more than once: ${text}`),
  ];
}
