/** The statement that reads a page of windows, or of buckets of windows, from a projection. */
import type { RowPage, WindowQuery, WindowRow } from "../actors/readPorts.ts";
import { timeMsMax } from "../domain/windows.ts";
import type { Sql } from "./database.ts";

/** What each row has besides its sums. */
export interface PageColumns {
  readonly as_of: Date;
  readonly sealed_through: Date | null;
  /** Null, with the rest, in the only row of an empty page. */
  readonly bucket_end: Date | null;
  readonly customer: string;
  readonly content: string;
}

/** The table of a projection, which is its name too, and the columns in it that are summed. */
interface Summed {
  readonly table: string;
  readonly sums: readonly string[];
}

/**
 * Reads a page and what is said about it in one statement, hence from one snapshot. Sums come as
 * decimal text, since over buckets they may exceed int64. One row more than asked for tells
 * whether there are more.
 */
export function selectPage<Columns extends PageColumns>(
  sql: Sql,
  { table, sums }: Summed,
  query: WindowQuery,
  windowMs: number,
) {
  const direction = query.order === "desc" ? sql`desc` : sql`asc`;
  const bucketed = query.bucketMs > windowMs;
  const end = bucketed ? bucketEnd(sql, query.bucketMs) : sql`time`;
  const values = sums.map((column) =>
    bucketed ? sql`, sum(${sql(column)})::text as ${sql(column)}` : sql`, ${sql(column)}::text`,
  );
  return sql<Columns[]>`
    with page as (
      select * from (
        select ${end} as bucket_end, customer, content ${values}
        from ${sql(table)}
        where ${isWanted(sql, query, windowMs)}
        ${bucketed ? sql`group by 1, 2, 3` : sql``}
      ) as rows
      where ${isAfter(sql, query)}
      order by bucket_end ${direction}, customer, content
      limit ${query.limit + 1}
    ), meta as (
      select now() as as_of,
        case when bool_and(sealed_through is not null) then min(sealed_through) end
          as sealed_through
      from projection_positions where projection = ${table} and build = 'live'
    )
    select * from meta left join page on true
    order by bucket_end ${direction}, customer, content
  `;
}

/** Makes a page of what `selectPage` found. */
export function toPage<Columns extends PageColumns, Row extends WindowRow>(
  found: readonly Columns[],
  query: WindowQuery,
  toRow: (window: WindowRow, columns: Columns) => Row,
): RowPage<Row> {
  const [meta] = found;
  if (meta === undefined) throw new Error("a page without its meta row");
  const rows = found.flatMap((columns) => {
    if (columns.bucket_end === null) return [];
    const windowEndMs = columns.bucket_end.getTime();
    const { customer, content } = columns;
    const windowStartMs = windowEndMs - query.bucketMs;
    return [toRow({ windowStartMs, windowEndMs, customer, content }, columns)];
  });
  return {
    rows: rows.slice(0, query.limit),
    more: rows.length > query.limit,
    asOfMs: meta.as_of.getTime(),
    sealedThroughMs: meta.sealed_through?.getTime(),
  };
}

/** The end of the bucket that holds a window. A window that ends with a bucket belongs to it. */
function bucketEnd(sql: Sql, bucketMs: number) {
  const length = sql`${bucketMs}::float8 * interval '1 millisecond'`;
  return sql`(
    date_bin(${length}, time - interval '1 microsecond', timestamptz 'epoch') + ${length}
  )`;
}

/**
 * Which windows count. `from` and `to` choose windows by their start, also when they are summed
 * over buckets: a bucket that they cut holds the sum of the part that is left.
 */
function isWanted(sql: Sql, query: WindowQuery, windowMs: number) {
  const { customer, content, fromMs, toMs } = query;
  return sql`true
    ${customer === undefined ? sql`` : sql`and customer = ${customer}`}
    ${content === undefined ? sql`` : sql`and content = ${content}`}
    ${fromMs === undefined ? sql`` : sql`and time >= ${time(fromMs + windowMs)}`}
    ${toMs === undefined ? sql`` : sql`and time < ${time(toMs + windowMs)}`}
    ${isInReach(sql, query)}`;
}

/** What `after` implies for the time of windows, said once more for the sake of the index. */
function isInReach(sql: Sql, { after, order, bucketMs }: WindowQuery) {
  if (after === undefined) return sql``;
  return order === "desc"
    ? sql`and time <= ${time(after.timeMs)}`
    : sql`and time > ${time(after.timeMs - bucketMs)}`;
}

function isAfter(sql: Sql, { after, order }: WindowQuery) {
  if (after === undefined) return sql`true`;
  const end = time(after.timeMs);
  const later = order === "desc" ? sql`bucket_end < ${end}` : sql`bucket_end > ${end}`;
  return sql`(
    ${later}
    or bucket_end = ${end} and (customer, content) > (${after.customer}, ${after.content})
  )`;
}

/** Windows lie after the epoch, so a time before it stands for all of them. */
function time(ms: number): Date {
  return new Date(Math.min(Math.max(ms, 0), timeMsMax));
}
