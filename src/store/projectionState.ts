/** The statements by which projections move. Each is atomic by itself. */
import type { Database } from "./database.ts";
import {
  createIndexes,
  createTable,
  type ProjectionDefinition,
  rebuildTable,
  swapTables,
} from "./projections/definition.ts";

/** The channel that tells projectors of rebuilds, pauses, and of others that stopped. */
export const projectionsChannel = "payload_stats_projections";

export type Build = "live" | "rebuild";

export interface Held {
  readonly paused: boolean;
  readonly rebuilding: boolean;
  /** The new table exists. */
  readonly prepared: boolean;
}

export interface Applied {
  readonly applied: bigint;
  /** Events that are in the log and not applied yet. */
  readonly behind: bigint;
}

/**
 * Takes or renews a worker's lease of a projection, by the database's clock. Undefined: another
 * worker has it. The lease saves work twice done; right are the results by locks alone.
 */
export async function holdProjection(
  database: Database,
  name: string,
  workerId: string,
  leaseMs: number,
): Promise<Held | undefined> {
  const [row] = await database.run(
    (sql) => sql<Held[]>`
      update projections set
        worker = ${workerId},
        lease_until = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
      where name = ${name} and (worker = ${workerId} or lease_until < clock_timestamp())
      returning paused, rebuild_started_at is not null as rebuilding, rebuild_prepared as prepared
    `,
  );
  return row;
}

/** Gives the lease back, so that another worker goes on at once. */
export async function releaseProjection(
  database: Database,
  name: string,
  workerId: string,
): Promise<void> {
  await database.run(
    (sql) => sql`
      with released as (
        update projections set worker = null, lease_until = '-infinity'
        where name = ${name} and worker = ${workerId}
        returning name
      )
      select pg_notify(${projectionsChannel}, name) from released
    `,
  );
}

/** Applies up to `eventsMax` events to a build, and moves its positions with them. */
export async function applyEvents(
  database: Database,
  definition: ProjectionDefinition,
  build: Build,
  eventsMax: number,
  deadlineMs: number,
): Promise<Applied> {
  const table = build === "live" ? definition.name : rebuildTable(definition);
  const [row] = await database.run(
    (sql) => sql<Applied[]>`
      select applied, behind
      from apply_events(${definition.name}, ${build}, ${definition.apply(table)}, ${eventsMax})
    `,
    deadlineMs,
  );
  if (row === undefined) throw new Error("apply_events returned nothing");
  return row;
}

/** Makes the table that a rebuild fills, and its positions at the beginning of the log. */
export async function prepareRebuild(
  database: Database,
  definition: ProjectionDefinition,
): Promise<void> {
  const table = rebuildTable(definition);
  const create = `drop table if exists ${table}; ${createTable(definition, table)}`;
  await database.run((sql) => sql`select prepare_rebuild(${definition.name}, ${create})`);
}

/**
 * Makes the further indexes of the rebuilt table: in one go, which is faster than row by row.
 * Does nothing when another projector has swapped the tables meanwhile. The lock holds up a swap,
 * but not the lease.
 */
export async function indexRebuild(
  database: Database,
  definition: ProjectionDefinition,
  deadlineMs: number,
): Promise<void> {
  const table = rebuildTable(definition);
  const indexes = `${createIndexes(definition, table)} analyze ${table};`;
  await database.run(
    (sql) =>
      sql
        .unsafe(
          `do $index$ begin
             perform from projections where name = '${definition.name}' and rebuild_prepared
             for key share;
             if found then ${indexes} end if;
           end $index$;`,
        )
        .simple(),
    deadlineMs,
  );
}

/**
 * Puts the rebuilt table in the place of the live one: see the function `swap_rebuild`.
 * @param eventsMax how many events may still be missing.
 * @param lockMs how long readers may be held up, when they in turn hold up the swap.
 */
export async function swapRebuild(
  database: Database,
  definition: ProjectionDefinition,
  eventsMax: number,
  lockMs: number,
  deadlineMs: number,
): Promise<"swapped" | "behind" | "none" | undefined> {
  const apply = definition.apply(rebuildTable(definition));
  const [row] = await database.run(
    (sql) => sql<{ outcome: "swapped" | "behind" | "none" }[]>`
      select swap_rebuild(
        ${definition.name}, ${apply}, ${eventsMax}, ${swapTables(definition)}, ${lockMs}
      ) as outcome
    `,
    deadlineMs,
  );
  return row?.outcome;
}
