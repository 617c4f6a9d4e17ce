/**
 * Rebuilds the table of a projection from the event log, while the live one goes on being read
 * and written.
 *
 *   asked for ──> new table ──> apply all events ──> indexes ──> swap: the last events, then names
 *
 * Every arrow is one statement that records its result in the same transaction, so a rebuild
 * goes on where it was after any crash, with any projector.
 */
import type { ProjectionCommandOutcome, ProjectionControl } from "../actors/readPorts.ts";
import type { Log } from "../log.ts";
import type { Database } from "./database.ts";
import type { TurnResult } from "./loop.ts";
import {
  applyEvents,
  indexRebuild,
  prepareRebuild,
  projectionsChannel,
  swapRebuild,
} from "./projectionState.ts";
import type { ProjectionDefinition } from "./projections/definition.ts";

export interface RebuilderOptions {
  readonly batchEventsMax: number;
  readonly log: Log;
}

const stepDeadlineMs = 60_000;
const indexDeadlineMs = 5 * 60_000;
const lockMsMin = 100;
/** More than a second: then Postgres ends an autovacuum that is in the way. */
const lockMsMax = 1_600;

export class Rebuilder {
  readonly #database: Database;
  readonly #definition: ProjectionDefinition;
  readonly #options: RebuilderOptions;
  #lockMs = lockMsMin;

  constructor(database: Database, definition: ProjectionDefinition, options: RebuilderOptions) {
    this.#database = database;
    this.#definition = definition;
    this.#options = options;
  }

  /** The next step of the rebuild that was asked for. */
  async turn(prepared: boolean): Promise<TurnResult> {
    if (!prepared) {
      await prepareRebuild(this.#database, this.#definition);
      this.#options.log.info("a rebuild has begun");
      return "again";
    }
    const { behind } = await applyEvents(
      this.#database,
      this.#definition,
      "rebuild",
      this.#options.batchEventsMax,
      stepDeadlineMs,
    );
    if (behind > 0n) return "again";
    await indexRebuild(this.#database, this.#definition, indexDeadlineMs);
    return this.#swap();
  }

  /** Gives up early when readers are in the way, so that others do not queue behind the swap. */
  async #swap(): Promise<TurnResult> {
    try {
      const outcome = await swapRebuild(
        this.#database,
        this.#definition,
        this.#options.batchEventsMax,
        this.#lockMs,
        stepDeadlineMs,
      );
      this.#lockMs = lockMsMin;
      if (outcome === "swapped") this.#options.log.info("the rebuilt table is in place");
      return outcome === "behind" ? "again" : "wait";
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      this.#options.log.info("readers hold up the swap; it is tried again", { ms: this.#lockMs });
      this.#lockMs = Math.min(this.#lockMs * 2, lockMsMax);
      return "wait";
    }
  }
}

/** Commands to projectors, which may run in other processes. */
export class PostgresProjectionControl implements ProjectionControl {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async rebuild(name: string): Promise<ProjectionCommandOutcome> {
    const [row] = await this.#database.run(
      (sql) => sql<{ known: boolean; changed: bigint }[]>`
        with changed as (
          update projections
          set rebuild_started_at = clock_timestamp(), rebuild_prepared = false
          where name = ${name} and rebuild_started_at is null
          returning name
        ), told as (
          select pg_notify(${projectionsChannel}, name) from changed
        )
        select
          exists (select from projections where name = ${name}) as known,
          (select count(*) from told) as changed
      `,
    );
    if (row?.known !== true) return "unknown";
    return row.changed > 0n ? "accepted" : "conflict";
  }

  pause(name: string): Promise<ProjectionCommandOutcome> {
    return this.#setPaused(name, true);
  }

  resume(name: string): Promise<ProjectionCommandOutcome> {
    return this.#setPaused(name, false);
  }

  /** Pausing what is paused is no mistake. */
  async #setPaused(name: string, paused: boolean): Promise<ProjectionCommandOutcome> {
    const rows = await this.#database.run(
      (sql) => sql`
        with changed as (
          update projections set paused = ${paused} where name = ${name} returning name
        )
        select pg_notify(${projectionsChannel}, name) from changed
      `,
    );
    return rows.length > 0 ? "accepted" : "unknown";
  }
}

function isLockTimeout(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "55P03";
}
