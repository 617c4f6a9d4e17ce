/**
 * Applies the events of the log to the tables of the projections.
 *
 * Each projection has two loops: one keeps its table up to date, the other builds one beside it
 * when that was asked for. A step moves the table and its positions in one statement, so a step that is
 * lost, repeated or done by two projectors at once does no harm. Notifications start a step at
 * once; a poll makes up for those that are lost.
 */
import type { Log } from "../log.ts";
import type { Database } from "./database.ts";
import { eventsChannel } from "./eventLog.ts";
import { Loop, type TurnResult } from "./loop.ts";
import {
  applyToLive,
  type Held,
  holdProjection,
  projectionsChannel,
  releaseProjection,
} from "./projectionState.ts";
import type { ProjectionDefinition } from "./projections/definition.ts";
import { projections } from "./projections/registry.ts";
import { Rebuilder } from "./rebuild.ts";

export interface ProjectorOptions {
  /** Unique among all processes that run projectors. */
  readonly workerId: string;
  readonly log: Log;
  /** How long a silent projector keeps others from taking over. */
  readonly leaseMs?: number;
  readonly pollMs?: number;
  /** Events applied in one statement: a bound on its time and on what a crash repeats. */
  readonly batchEventsMax?: number;
  readonly definitions?: readonly ProjectionDefinition[];
}

const stepDeadlineMs = 60_000;

export class Projector {
  readonly #database: Database;
  readonly #workerId: string;
  readonly #log: Log;
  readonly #leaseMs: number;
  readonly #definitions: readonly ProjectionDefinition[];
  readonly #loops: readonly Loop[];
  #unlisten: (() => void)[] = [];
  #stopped: Promise<void> | undefined;

  constructor(database: Database, options: ProjectorOptions) {
    const { pollMs = 1_000, batchEventsMax = 20_000 } = options;
    this.#database = database;
    this.#workerId = options.workerId;
    this.#log = options.log;
    this.#leaseMs = options.leaseMs ?? 5_000;
    this.#definitions = options.definitions ?? projections;
    this.#loops = this.#definitions.flatMap((definition) => {
      const { name } = definition;
      const log = options.log.with({ projection: name });
      const rebuilder = new Rebuilder(database, definition, { batchEventsMax, log });
      return [
        new Loop(() => this.#liveTurn(definition, batchEventsMax), { name, pollMs, log }),
        new Loop(() => this.#rebuildTurn(rebuilder, definition), {
          name: `${name} rebuild`,
          pollMs,
          log,
        }),
      ];
    });
  }

  start(): void {
    const wakeAll = () => {
      for (const loop of this.#loops) loop.wake();
    };
    this.#unlisten = [eventsChannel, projectionsChannel].map((channel) =>
      this.#database.listen(channel, wakeAll),
    );
    for (const loop of this.#loops) loop.start();
  }

  /** Idempotent; resolves when the steps under way have ended and the leases are given back. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten();
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    try {
      for (const { name } of this.#definitions) {
        await releaseProjection(this.#database, name, this.#workerId);
      }
    } catch (error) {
      this.#log.warn("the leases of the projections end by themselves", { error });
    }
  }

  async #liveTurn(definition: ProjectionDefinition, eventsMax: number): Promise<TurnResult> {
    const held = await this.#hold(definition);
    if (held === undefined || held.paused) return "wait";
    const { behind } = await applyToLive(
      this.#database,
      definition,
      held,
      eventsMax,
      stepDeadlineMs,
    );
    return behind > 0n ? "again" : "wait";
  }

  async #rebuildTurn(rebuilder: Rebuilder, definition: ProjectionDefinition): Promise<TurnResult> {
    const held = await this.#hold(definition);
    const rebuild = held?.rebuild ?? undefined;
    if (held === undefined || rebuild === undefined) return "wait";
    if (held.paused && !rebuild.cancelled) return "wait";
    return rebuilder.turn(rebuild);
  }

  #hold(definition: ProjectionDefinition): Promise<Held | undefined> {
    return holdProjection(this.#database, definition, this.#workerId, this.#leaseMs);
  }
}
