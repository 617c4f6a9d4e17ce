/**
 * Applies the events of the log to the tables of the projections.
 *
 * Each projection has two loops: one keeps its table up to date, the other builds one beside it
 * when that was asked for. A step moves the table and its positions in one statement, so a step
 * that is lost, repeated or done by two projectors at once does no harm. Notifications start a step
 * at once; a poll makes up for those that are lost.
 */
import { inTime } from "../inTime.ts";
import type { Log } from "../log.ts";
import { type Database, DeadlineExceeded } from "./database.ts";
import { eventsChannel } from "./eventsNotice.ts";
import { HeavyStatements } from "./heavyStatements.ts";
import { Loop, type TurnResult } from "./loop.ts";
import { Patience } from "./patience.ts";
import {
  type Applied,
  applyToLive,
  type Held,
  holdProjection,
  projectionsChannel,
  releaseProjection,
  stepDeadlineMs,
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
  /**
   * The least deadline of a step of a live table. Most take a fraction of a second, and nobody
   * answers what was asked on a dead connection: rows would stand still for so long.
   */
  readonly liveStepMs?: number;
  /** Events applied in one statement: a bound on its time and on what a crash repeats. */
  readonly batchEventsMax?: number;
  readonly definitions?: readonly ProjectionDefinition[];
  /** Shared with the owners of this process. */
  readonly heavy?: HeavyStatements;
}

/** How long a stop waits for steps under way. What one has not done yet the next projector does. */
const stopMs = 2_000;
/**
 * A step that is not waited for may hold the row of its projection, or the last free connection.
 */
const releaseMs = 1_000;
const nothing: Applied = { applied: 0n, behind: 0n };

export class Projector {
  readonly #database: Database;
  readonly #workerId: string;
  readonly #log: Log;
  readonly #leaseMs: number;
  readonly #definitions: readonly ProjectionDefinition[];
  readonly #patience: Patience;
  readonly #heavy: HeavyStatements;
  readonly #liveLoops: readonly Loop[];
  readonly #rebuildLoops: readonly Loop[];
  readonly #liveStepMs: number;
  /** Deadlines of the next steps of live tables, by name. */
  readonly #deadlinesMs = new Map<string, number>();
  #unlisten: (() => void)[] = [];
  #stopped: Promise<void> | undefined;

  constructor(database: Database, options: ProjectorOptions) {
    const { pollMs = 1_000, batchEventsMax = 20_000 } = options;
    this.#database = database;
    this.#workerId = options.workerId;
    this.#log = options.log;
    this.#leaseMs = options.leaseMs ?? 5_000;
    this.#liveStepMs = options.liveStepMs ?? 10_000;
    this.#patience = new Patience(Math.min(pollMs, this.#leaseMs / 10));
    this.#definitions = options.definitions ?? projections;
    this.#heavy = options.heavy ?? new HeavyStatements();
    const logOf = ({ name }: ProjectionDefinition) => options.log.with({ projection: name });
    this.#liveLoops = this.#definitions.map((definition) => {
      const turn = () => this.#liveTurn(definition, batchEventsMax);
      return new Loop(turn, { name: definition.name, pollMs, log: logOf(definition) });
    });
    this.#rebuildLoops = this.#definitions.map((definition) => {
      const log = logOf(definition);
      const rebuilder = new Rebuilder(database, definition, { batchEventsMax, log });
      const turn = () => this.#rebuildTurn(rebuilder, definition);
      return new Loop(turn, { name: `${definition.name} rebuild`, pollMs, log });
    });
  }

  start(): void {
    const all = [...this.#liveLoops, ...this.#rebuildLoops];
    this.#unlisten = [
      // A rebuild that runs goes on by itself, and one that waits does not wait for events.
      this.#database.listen(eventsChannel, () => wake(this.#liveLoops)),
      this.#database.listen(projectionsChannel, () => wake(all)),
    ];
    for (const loop of all) loop.start();
  }

  /**
   * Idempotent; resolves when the steps under way have ended, or are not waited for any longer, and
   * the leases are given back.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    for (const unlisten of this.#unlisten) unlisten();
    const loops = [...this.#liveLoops, ...this.#rebuildLoops];
    const ended = Promise.all(loops.map((loop) => loop.stop()));
    const late = () => new Error("a step takes long");
    await inTime(ended, stopMs, late).catch((error) => {
      this.#log.info("what is left of it is done by the next projector", { error });
    });
    const releases = this.#definitions.map(({ name }) =>
      releaseProjection(this.#database, name, this.#workerId),
    );
    try {
      await inTime(Promise.all(releases), releaseMs, late);
    } catch (error) {
      this.#log.warn("the leases of the projections end by themselves", { error });
    }
  }

  async #liveTurn(definition: ProjectionDefinition, eventsMax: number): Promise<TurnResult> {
    const waitMs = definition.isPatient ? this.#patience.waitMs() : 0;
    if (waitMs > 0) {
      // Whoever waits for the others holds the projection meanwhile.
      await this.#hold(definition);
      return { waitMs };
    }
    const step = this.#heavy.inTurnForDevices(() => this.#step(definition, eventsMax));
    const { behind } = definition.isPatient
      ? await step
      : await this.#patience.urgent(step, ({ applied }) => applied > 0n);
    if (definition.isPatient && behind === 0n) this.#patience.caughtUp();
    return behind > 0n ? "again" : "wait";
  }

  /** Asks only now: while this waited, it may have been paused, or become of another version. */
  async #step(definition: ProjectionDefinition, eventsMax: number): Promise<Applied> {
    const held = await this.#hold(definition);
    if (held === undefined || held.paused) return nothing;
    return this.#applyToLive(definition, held, eventsMax);
  }

  /** A step has several times as long as the last one took, and longer than one that was late. */
  async #applyToLive(definition: ProjectionDefinition, held: Held, eventsMax: number) {
    const { name } = definition;
    const deadlineMs = this.#deadlinesMs.get(name) ?? this.#liveStepMs;
    const startMs = performance.now();
    const next = (ms: number) =>
      this.#deadlinesMs.set(name, Math.min(Math.max(ms, this.#liveStepMs), stepDeadlineMs));
    try {
      const applied = await applyToLive(this.#database, definition, held, eventsMax, deadlineMs);
      next(4 * (performance.now() - startMs));
      return applied;
    } catch (error) {
      if (error instanceof DeadlineExceeded) next(2 * deadlineMs);
      throw error;
    }
  }

  async #rebuildTurn(rebuilder: Rebuilder, definition: ProjectionDefinition): Promise<TurnResult> {
    const held = await this.#hold(definition);
    const rebuild = held?.rebuild ?? undefined;
    if (held === undefined || rebuild === undefined) return "wait";
    if (held.paused && !rebuild.cancelled) return "wait";
    return rebuilder.turn(rebuild);
  }

  /**
   * Undefined also once it is to stop: a turn that waited takes nothing again that was given back.
   */
  async #hold(definition: ProjectionDefinition): Promise<Held | undefined> {
    if (this.#stopped !== undefined) return undefined;
    return holdProjection(this.#database, definition, this.#workerId, this.#leaseMs);
  }
}

function wake(loops: readonly Loop[]): void {
  for (const loop of loops) loop.wake();
}
