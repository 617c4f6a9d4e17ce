/**
 * The outside world of an owner and of a worker, as little of it as a test of one promise needs.
 */
import type { Clock } from "../../src/actors/clock.ts";
import type {
  CommitOutcome,
  LeaseStore,
  LoadedCheckpoint,
  LogMessage,
  PartitionStop,
  PartitionStore,
  PayloadFeed,
  PayloadStreams,
  StreamState,
  VerifyStream,
} from "../../src/actors/ports.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { Worker } from "../../src/actors/worker.ts";
import { silentLog } from "../../src/log.ts";

/** One stream that gives no messages; it knows the times of those that it is said to hold. */
export class FakeStreams implements PayloadStreams {
  ticks = 0;
  keepsTicks = true;
  firstSequence = 1;
  /** What the messages' times begin with. */
  copy = "original";
  /** What the last feed was given to verify the stream with. */
  verify: VerifyStream | undefined;

  constructor(
    readonly created: string,
    public lastSequence: number,
  ) {}

  messageOf(sequence: number): LogMessage {
    const time = `${this.copy} ${sequence}`;
    return { sequence, time, timeMs: sequence, data: new Uint8Array() };
  }

  async state(): Promise<StreamState> {
    const { created, firstSequence, lastSequence } = this;
    return { created, firstSequence, lastSequence };
  }

  async message(_partition: number, sequence: number): Promise<LogMessage | undefined> {
    const isHeld = sequence >= this.firstSequence && sequence <= this.lastSequence;
    return isHeld ? this.messageOf(sequence) : undefined;
  }

  feed(_partition: number, _fromSequence: number, verify: VerifyStream): PayloadFeed {
    this.verify = verify;
    const stopped = Promise.withResolvers<readonly LogMessage[]>();
    return {
      next: () => stopped.promise,
      restart: () => {},
      stop: async () => stopped.resolve([]),
    };
  }

  async tick(): Promise<number> {
    this.ticks++;
    const sequence = this.lastSequence + 1;
    if (this.keepsTicks) this.lastSequence = sequence;
    return sequence;
  }

  async purge(): Promise<void> {}
}

/** A store with nothing in it, that takes everything. */
export class FakeStore implements PartitionStore {
  /** How many loads fail before one succeeds. */
  failingLoads = 0;

  async load(): Promise<LoadedCheckpoint> {
    if (this.failingLoads-- > 0) throw new Error("the store is away");
    return {
      streamCreated: "",
      sequence: 0,
      messageTime: "",
      position: 0,
      sealedThroughMs: 0,
      state: undefined,
      isStopped: false,
    };
  }

  async commit(): Promise<CommitOutcome> {
    return "committed";
  }

  async *rememberedTokens() {}

  async markStopped(
    _partition: number,
    _epoch: number,
    _stop: PartitionStop | undefined,
  ): Promise<void> {}

  async markGoingOn(_partition: number, _epoch: number): Promise<void> {}

  async lastSealedSequence(): Promise<number> {
    return 0;
  }
}

/** Leases of one partition; it gets another epoch whenever it was given back. */
export class FakeLeases implements LeaseStore {
  epoch = 0;
  #owned = false;

  async renew() {
    if (!this.#owned) this.epoch++;
    this.#owned = true;
    return { owned: [{ partition: 0, epoch: this.epoch }], surplus: 0 };
  }

  async release(): Promise<void> {
    this.#owned = false;
  }

  async leave(): Promise<void> {}

  async forget(): Promise<void> {}

  async workers() {
    return [];
  }

  onChange() {
    return () => {};
  }
}

export const leaseMs = 5_000;

interface WorkerWorld {
  readonly clock: Clock;
  readonly store: PartitionStore;
  readonly leases: LeaseStore;
  readonly streams?: PayloadStreams;
  /** Called for each owner that begins. */
  readonly serveActors?: () => void;
  /** Called for each owner whose actors can be asked for no more. */
  readonly stopServing?: () => void;
}

/** A worker that has started. */
export function startWorker(world: WorkerWorld): Worker {
  const { clock, store, leases, streams, serveActors, stopServing } = world;
  const worker = new Worker({
    identity: { id: "worker", host: "host", pid: 1 },
    leases,
    leaseMs,
    owner: {
      streams: streams ?? new FakeStreams("one", 8),
      store,
      clock,
      log: silentLog,
      rules: { windowMs: 300_000, partitions: 8, sessionMemoryMs: 600_000 },
      rawRetentionMs: 0,
      turns: new SlicedTurns(clock),
    },
    serveActors: () => {
      serveActors?.();
      return () => stopServing?.();
    },
    isDead: () => false,
  });
  worker.start();
  return worker;
}
