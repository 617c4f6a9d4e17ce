/** What readiness asks the database: one statement, by its clock. */
import type { Health, HealthReader } from "../actors/readPorts.ts";
import { type Database, TakesNoWrites } from "./database.ts";

/** The clocks of the broker and of Postgres may differ by so much. */
const aheadMs = 30_000;

export class PostgresHealth implements HealthReader {
  constructor(
    private readonly database: Database,
    private readonly windowMs: number,
  ) {}

  /**
   * A partition that never sealed counts from the first start of the database on. One is ahead when
   * its time is, since the broker's clock was ahead once: its windows end by that. A projection
   * waits from when the first event that it lacks was recorded; without such an event, from the
   * end of the first window that it does not know to be sealed.
   * @throws TakesNoWrites, and leaves the server for the one that its address leads to now.
   */
  async health(lateMs: number): Promise<Health> {
    const row = await this.database.run(async (sql) => {
      const [found] = await sql<(Health & { readonly takesWrites: boolean })[]>`
        with now as (select clock_timestamp() as at, (
          select set_at from settings where name = 'window_ms'
        ) as first_start), place as (
          select p.*, w.id is not null as owned,
            now.at - coalesce(p.sealed_through, now.first_start) as age
          from partitions p cross join now
          left join workers w on w.id = p.owner and w.lease_until > now.at
        ), behind as (
          select own.projection, p.position - own.position as events, case
            when p.position > own.position then now.at - (
              select e.recorded_at from events e
              where e.partition = own.partition and e.position = own.position + 1
            )
            else now.at - coalesce(own.sealed_through, p.sealed_through)
              - ${this.windowMs}::float8 * interval '1 millisecond'
          end as waiting
          from projection_positions own join partitions p using (partition) cross join now
          where own.build = 'live' and (own.position, own.sealed_through)
            is distinct from (p.position, p.sealed_through)
        )
        select
          not current_setting('transaction_read_only')::boolean as "takesWrites",
          (select count(*)::int from place) as partitions,
          (
            select coalesce(jsonb_agg(partition order by partition), '[]') from place
            where not owned
          ) as unowned,
          (
            select coalesce(jsonb_agg(
              jsonb_build_object('partition', partition, 'reason', stopped) order by partition
            ), '[]') from place where stopped is not null
          ) as stopped,
          (
            select coalesce(jsonb_agg(jsonb_build_object(
              'partition', partition, 'owner', owner,
              'sealedThroughMs', floor(extract(epoch from sealed_through) * 1000)
            ) order by partition), '[]')
            from place where owned and stopped is null
              and age > ${lateMs}::float8 * interval '1 millisecond'
          ) as late,
          (
            select coalesce(jsonb_agg(jsonb_build_object(
              'partition', partition,
              'sealedThroughMs', floor(extract(epoch from sealed_through) * 1000)
            ) order by partition), '[]')
            from place where stopped is null
              and age < -${aheadMs}::float8 * interval '1 millisecond'
          ) as ahead,
          (
            select coalesce(jsonb_agg(jsonb_build_object(
              'name', name, 'paused', paused, 'held', lease_until > now.at,
              'events', (select coalesce(sum(events), 0) from behind where projection = name),
              'waitingMs', (
                select greatest(coalesce(floor(extract(epoch from max(waiting)) * 1000), 0), 0)
                from behind where projection = name
              )
            ) order by name), '[]') from projections cross join now
          ) as projections
      `;
      if (found?.takesWrites === false) throw new TakesNoWrites();
      return found;
    });
    if (row === undefined) throw new Error("Postgres gave no row");
    return row;
  }
}
