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
  const direction = directionOf(sql, query);
  const page = pageFor(query, windowMs)(sql, { table, sums }, query, windowMs);
  return sql<Columns[]>`
    with recursive ${page}, meta as (
      select now() as as_of,
        case when bool_and(sealed_through is not null) then min(sealed_through) end
          as sealed_through
      from projection_positions where projection = ${table} and build = 'live'
    )
    select * from meta left join page on true
    order by bucket_end ${direction}, customer, content
  `;
}

function pageFor({ bucketMs, customer, content }: WindowQuery, windowMs: number) {
  if (bucketMs <= windowMs) return windowsPage;
  return customer === undefined && content === undefined ? bucketByBucket : bucketsPage;
}

/**
 * Windows as they are. What is left of the window that the last page ended in comes by the key;
 * only where that is not enough are further ones read, which have to be sorted by name.
 */
function windowsPage(sql: Sql, { table, sums }: Summed, query: WindowQuery, windowMs: number) {
  const { after, order } = query;
  const limit = query.limit + 1;
  const columns = sql`time as bucket_end, customer, content
    ${sums.map((column) => sql`, ${sql(column)}::text`)}`;
  const wanted = isWanted(sql, query, windowMs);
  const sorted = sql`order by time ${directionOf(sql, query)}, customer, content`;
  if (after === undefined) {
    return sql`page as (
      select ${columns} from ${sql(table)} where ${wanted} ${sorted} limit ${limit}
    )`;
  }
  const end = time(after.timeMs);
  const beyond = order === "desc" ? sql`time < ${end}` : sql`time > ${end}`;
  return sql`
    rest as materialized (
      select ${columns} from ${sql(table)}
      where ${wanted} and time = ${end}
        and (customer, content) > (${after.customer}, ${after.content})
      order by customer, content
      limit ${limit}
    ), further as (
      select ${columns} from ${sql(table)}
      where ${wanted} and ${beyond} and (select count(*) from rest) < ${limit}
      ${sorted}
      limit ${limit}
    ), page as (
      select * from (select * from rest union all select * from further) as rows
      order by bucket_end ${directionOf(sql, query)}, customer, content
      limit ${limit}
    )`;
}

/** Buckets of some contents, all at once. */
function bucketsPage(sql: Sql, { table, sums }: Summed, query: WindowQuery, windowMs: number) {
  return sql`page as (
    select * from (
      select ${bucketEnd(sql, query.bucketMs)} as bucket_end, customer, content
        ${sums.map((column) => sumOf(sql, column))}
      from ${sql(table)}
      where ${isWanted(sql, query, windowMs)}
      group by 1, 2, 3
    ) as rows
    where ${isAfter(sql, query)}
    order by bucket_end ${directionOf(sql, query)}, customer, content
    limit ${query.limit + 1}
  )`;
}

/**
 * Buckets of all contents, of which there may be so many that only as many buckets are added up as
 * the page takes. Each is found by the end of the one before, and gives its rows in order: to sort
 * the page as well would take all of them first.
 */
function bucketByBucket(sql: Sql, { table, sums }: Summed, query: WindowQuery, windowMs: number) {
  const { bucketMs, order, after } = query;
  const length = sql`${bucketMs}::float8 * interval '1 millisecond'`;
  const wanted = isWanted(sql, query, windowMs);
  const next =
    order === "desc" ? sql`time <= last.bucket_end - ${length}` : sql`time > last.bucket_end`;
  const firstIn = (which: typeof wanted) => sql`
    select ${bucketEnd(sql, bucketMs)} as bucket_end from ${sql(table)}
    where ${which} order by time ${directionOf(sql, query)} limit 1`;
  const isNew =
    after === undefined
      ? sql`true`
      : sql`(
        buckets.bucket_end <> ${time(after.timeMs)}
        or (customer, content) > (${after.customer}, ${after.content})
      )`;
  return sql`
    buckets as (
      (${firstIn(wanted)})
      union all
      select following.bucket_end from buckets as last
      cross join lateral (${firstIn(sql`${wanted} and ${next}`)}) as following
    ), page as (
      select buckets.bucket_end, rows.* from buckets
      cross join lateral (
        select customer, content ${sums.map((column) => sumOf(sql, column))} from ${sql(table)}
        where ${wanted} and time > buckets.bucket_end - ${length} and time <= buckets.bucket_end
          and ${isNew}
        group by customer, content
        order by customer, content
      ) as rows
      limit ${query.limit + 1}
    )`;
}

function sumOf(sql: Sql, column: string) {
  return sql`, sum(${sql(column)})::text as ${sql(column)}`;
}

function directionOf(sql: Sql, { order }: WindowQuery) {
  return order === "desc" ? sql`desc` : sql`asc`;
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
