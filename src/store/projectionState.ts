/** The statements by which projections move. Each is atomic by itself. */
import type { RebuildKind } from "../actors/projectionPorts.ts";
import type { Database } from "./database.ts";
import { type ProjectionDefinition, rebuildTable } from "./projections/definition.ts";

/** The channel that tells projectors of rebuilds, pauses, and of others that stopped. */
export const projectionsChannel = "payload_stats_projections";

/** Of what applies some events, and of a swap with them. */
export const stepDeadlineMs = 60_000;

type Build = "live" | "rebuild";

export interface Held {
  readonly paused: boolean;
  /** Of the live table, with the statement that fits it. */
  readonly version: number;
  readonly liveApply: string | null;
  /** The build beside it that was asked for. */
  readonly rebuild: RebuildState | null;
}

export interface RebuildState {
  readonly kind: RebuildKind;
  readonly version: number;
  /** The new table exists. */
  readonly prepared: boolean;
  /** Its further indexes exist. */
  readonly indexed: boolean;
  readonly paused: boolean;
  readonly cancelled: boolean;
  readonly acceptsDifferences: boolean;
  /** Rows that differ from the live table; null before the comparison. */
  readonly differences: number | null;
}

export interface Applied {
  readonly applied: bigint;
  /** Events that are in the log and not applied yet. */
  readonly behind: bigint;
}

/**
 * Takes or renews a worker's lease of a projection, by the database's clock. Undefined: another
 * worker has it, or the projection is of a newer version than this program knows. The lease saves
 * work twice done; right are the results by locks alone.
 */
export async function holdProjection(
  database: Database,
  { name, version }: Pick<ProjectionDefinition, "name" | "version">,
  workerId: string,
  leaseMs: number,
): Promise<Held | undefined> {
  const [row] = await database.run(
    (sql) => sql<Held[]>`
      update projections p set
        worker = ${workerId},
        lease_until = clock_timestamp() + ${leaseMs}::float8 * interval '1 millisecond'
      where name = ${name} and (worker = ${workerId} or lease_until < clock_timestamp())
        and version <= ${version} and not exists (
          select from rebuilds newer
          where projection = name and ended_at is null and newer.version > ${version}
        )
      returning paused, version, live_apply as "liveApply", (
        select jsonb_build_object(
          'kind', kind, 'version', r.version, 'prepared', prepared, 'indexed', indexed,
          'paused', r.paused, 'cancelled', cancelled,
          'acceptsDifferences', accepts_differences, 'differences', differences
        )
        from rebuilds r where projection = name and ended_at is null
      ) as rebuild
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
      update projections set worker = null, lease_until = '-infinity'
      where name = ${name} and worker = ${workerId}
      returning pg_notify(${projectionsChannel}, name)
    `,
  );
}

/**
 * Applies up to `eventsMax` events to the live table, and moves its positions with them. A table
 * of an older version is kept up to date by the statement that came with it.
 */
export function applyToLive(
  database: Database,
  definition: ProjectionDefinition,
  held: Pick<Held, "version" | "liveApply">,
  eventsMax: number,
  deadlineMs = stepDeadlineMs,
): Promise<Applied> {
  const { name, version } = definition;
  const build = { name, build: "live", version: held.version } as const;
  const older = held.version === version ? null : held.liveApply;
  const statements = older === null ? statementsOf(definition, name) : { apply: older };
  return applyEvents(database, build, { ...statements, start: "" }, eventsMax, deadlineMs);
}

/** Applies up to `eventsMax` events to the table that is built beside the live one. */
export function applyToRebuild(
  database: Database,
  definition: ProjectionDefinition,
  eventsMax: number,
): Promise<Applied> {
  const { name, version, start } = definition;
  const statements = statementsOf(definition, rebuildTable(definition));
  const build = { name, build: "rebuild", version } as const;
  const all = { ...statements, start: start.ofEvent };
  return applyEvents(database, build, all, eventsMax, stepDeadlineMs);
}

function statementsOf(definition: ProjectionDefinition, table: string) {
  return { apply: definition.apply(table), insert: definition.insert?.(table) };
}

async function applyEvents(
  database: Database,
  { name, build, version }: { name: string; build: Build; version: number },
  { apply, insert, start }: { apply: string; insert?: string | undefined; start: string },
  eventsMax: number,
  deadlineMs: number,
): Promise<Applied> {
  const [row] = await database.run(
    (sql) => sql<Applied[]>`
      select applied, behind
      from apply_events(
        ${name}, ${build}, ${version}, ${apply}, ${start}, ${eventsMax}, ${insert ?? null}
      )
    `,
    deadlineMs,
  );
  if (row === undefined) throw new Error("apply_events returned nothing");
  return row;
}
