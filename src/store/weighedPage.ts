/** Reads many events in pages that are bounded by what they weigh. */
import type { Sql } from "./database.ts";

const rowsMax = 2_000;
const bytesMax = 8 * 1_024 * 1_024;

/**
 * The next ones of a partition's events, as a table for `from`: at least one, and then no more than
 * a page may weigh. Who selects from it orders by position.
 * @param which the condition that selects events of one partition.
 */
export function weighedPage(sql: Sql, which: ReturnType<Sql>) {
  return sql`
    (
      select * from (
        select *,
          sum(pg_column_size(data)) over (order by position) - pg_column_size(data)
            as bytes_before
        from (
          select * from events where ${which} order by position limit ${rowsMax}
        ) as next
      ) as weighed
      where bytes_before < ${bytesMax}
    ) as page`;
}
