/**
 * Builds the table of a projection from the event log, while the live one goes on being read and
 * written: a rebuild of the same version, the first build of a newer one, or a verification.
 *
 *   asked for ──> new table ──> apply all events ──> indexes ──> comparison ──> swap
 *                                                                    │            ▲
 *                                       differences, not accepted ──> wait ── accept-diff
 *
 * Every arrow is one statement that records its result in the same transaction, so a build goes
 * on where it was after any crash, with any projector. A newer version is not compared, since its
 * rows may mean something else; a verification ends with the comparison.
 */
import { errorCode } from "../errorCode.ts";
import { errorMessage, type Log } from "../log.ts";
import type { Database } from "./database.ts";
import type { TurnResult } from "./loop.ts";
import { applyToRebuild, type RebuildState } from "./projectionState.ts";
import type { ProjectionDefinition } from "./projections/definition.ts";
import {
  compareRebuild,
  dropRebuild,
  indexRebuild,
  noteProblem,
  prepareRebuild,
  swapRebuild,
} from "./rebuildSteps.ts";

interface RebuilderOptions {
  readonly batchEventsMax: number;
  readonly log: Log;
}

const lockMsMin = 100;
/** More than a second: then Postgres ends an autovacuum that is in the way. */
const lockMsMax = 1_600;

export class Rebuilder {
  #lockMs = lockMsMin;

  constructor(
    private readonly database: Database,
    private readonly definition: ProjectionDefinition,
    private readonly options: RebuilderOptions,
  ) {}

  /** The next step of the build that was asked for. An error of it is also shown to who looks. */
  async turn(rebuild: RebuildState): Promise<TurnResult> {
    try {
      const result = await this.#step(rebuild);
      // What blocks a swap is noted by the swap itself.
      if (result === "blocked") return "wait";
      await noteProblem(this.database, this.definition.name, undefined);
      return result;
    } catch (error) {
      const reason = errorMessage(error);
      await noteProblem(this.database, this.definition.name, reason).catch(() => {});
      throw error;
    }
  }

  async #step(rebuild: RebuildState): Promise<TurnResult | "blocked"> {
    const database = this.database;
    const definition = this.definition;
    const { batchEventsMax, log } = this.options;
    if (rebuild.cancelled) return this.#drop("cancelled");
    if (rebuild.paused) return "wait";
    if (!rebuild.prepared) {
      await prepareRebuild(database, definition);
      log.info("a build has begun", { kind: rebuild.kind, version: rebuild.version });
      return "again";
    }
    const { behind } = await applyToRebuild(database, definition, batchEventsMax);
    if (behind > 0n) return "again";
    if (!rebuild.indexed) {
      await indexRebuild(database, definition);
      return "again";
    }
    if (rebuild.kind !== "upgrade" && rebuild.differences === null) return this.#compare();
    if (rebuild.kind === "verify") return this.#drop("verified");
    return this.#swap();
  }

  async #compare(): Promise<TurnResult> {
    const { batchEventsMax, log } = this.options;
    const definition = this.definition;
    const outcome = await compareRebuild(this.database, definition, batchEventsMax);
    if (outcome === "compared") log.info("the new table was compared with the live one");
    return "again";
  }

  async #drop(outcome: "cancelled" | "verified"): Promise<TurnResult> {
    await dropRebuild(this.database, this.definition.name, outcome);
    this.options.log.info("the build has ended", { outcome });
    return "wait";
  }

  /** Gives up early when readers are in the way, so that others do not queue behind the swap. */
  async #swap(): Promise<TurnResult | "blocked"> {
    try {
      const outcome = await swapRebuild(
        this.database,
        this.definition,
        this.options.batchEventsMax,
        this.#lockMs,
      );
      this.#lockMs = lockMsMin;
      if (outcome === "swapped") this.options.log.info("the rebuilt table is in place");
      if (outcome === "blocked") return outcome;
      return outcome === "behind" ? "again" : "wait";
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      this.options.log.info("readers hold up the swap; it is tried again", { ms: this.#lockMs });
      this.#lockMs = Math.min(this.#lockMs * 2, lockMsMax);
      return "wait";
    }
  }
}

function isLockTimeout(error: unknown): boolean {
  return errorCode(error) === "55P03";
}
