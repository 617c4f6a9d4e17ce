/** Commands to projectors, which may run in other processes. */
import type {
  ProjectionCommandOutcome,
  ProjectionControl,
  ProjectionPart,
  RebuildRequest,
} from "../actors/projectionPorts.ts";
import type { Database, Sql } from "./database.ts";
import { projectionsChannel } from "./projectionState.ts";

export class PostgresProjectionControl implements ProjectionControl {
  constructor(private readonly database: Database) {}

  /** At most one build of a projection runs: an index sees to it. */
  rebuild(name: string, request: RebuildRequest = {}): Promise<ProjectionCommandOutcome> {
    const { verify = false, acceptDifferences = false, limits = {} } = request;
    return this.#change(
      name,
      (sql) => sql`
        insert into rebuilds (projection, kind, version, limits, accepts_differences)
        select name, ${verify ? "verify" : "rebuild"}, version,
          ${JSON.stringify(limits)}::text::jsonb,
          ${acceptDifferences}
        from projections where name = ${name}
        on conflict do nothing
        returning projection
      `,
    );
  }

  /** A conflict when no rebuild runs. It may be given before the comparison. */
  acceptDifferences(name: string): Promise<ProjectionCommandOutcome> {
    return this.#change(
      name,
      (sql) => sql`
        update rebuilds set accepts_differences = true
        where projection = ${name} and ended_at is null and kind = 'rebuild' and not cancelled
        returning projection
      `,
    );
  }

  /** A conflict when no build runs, and while a newer version is built: it would begin again. */
  cancel(name: string): Promise<ProjectionCommandOutcome> {
    return this.#change(
      name,
      (sql) => sql`
        update rebuilds set cancelled = true
        where projection = ${name} and ended_at is null and kind <> 'upgrade'
        returning projection
      `,
    );
  }

  pause(name: string, part: ProjectionPart = "all"): Promise<ProjectionCommandOutcome> {
    return this.#setPaused(name, part, true);
  }

  resume(name: string, part: ProjectionPart = "all"): Promise<ProjectionCommandOutcome> {
    return this.#setPaused(name, part, false);
  }

  /** Pausing what is paused is no mistake; pausing a build that does not run is a conflict. */
  #setPaused(name: string, part: ProjectionPart, paused: boolean) {
    if (part === "rebuild") {
      return this.#change(
        name,
        (sql) => sql`
          update rebuilds set paused = ${paused}
          where projection = ${name} and ended_at is null returning projection
        `,
      );
    }
    return this.#change(
      name,
      (sql) => sql`
        update projections set paused = ${paused} where name = ${name} returning name
      `,
    );
  }

  /** @param change a statement that returns a row when it has changed something. */
  async #change(
    name: string,
    change: (sql: Sql) => ReturnType<Sql>,
  ): Promise<ProjectionCommandOutcome> {
    const [row] = await this.database.run(
      (sql) => sql<{ known: boolean; changed: bigint }[]>`
        with changed as (${change(sql)}), told as (
          select pg_notify(${projectionsChannel}, ${name}) from changed
        )
        select
          exists (select from projections where name = ${name}) as known,
          (select count(*) from told) as changed
      `,
    );
    if (row?.known !== true) return "unknown";
    return row.changed > 0n ? "accepted" : "conflict";
  }
}
