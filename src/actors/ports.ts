/** What the actors need of the outside world. `src/nats` and `src/store` implement it. */
import type { DomainEvent, Quarantined } from "../domain/events.ts";
import type { Payload } from "../domain/payload.ts";
import type { Receipt } from "../domain/receipt.ts";

// ---------------------------------------------------------------- the log of payloads (JetStream)

/** Appends payloads to the log of payloads. */
export interface PayloadLog {
  /**
   * Resolves once every message that holds one of the payloads has been acknowledged by the
   * broker.
   * @param keyDigests one for each payload, when they were sent with an Idempotency-Key.
   * @throws PayloadLogUnavailable when not all of them are known to be stored.
   */
  append(payloads: readonly Payload[], keyDigests?: readonly string[]): Promise<void>;

  /**
   * The same for one payload, and `waiter` hears of it. Thousands wait at a time, and a waiter is
   * one object where a promise and what awaits it are many.
   */
  appendOne(payload: Payload, keyDigest: string | undefined, waiter: AppendWaiter): void;
}

/**
 * Waits for payloads to be stored. It hears of each of them once, of a refusal before `appendOne`
 * returns. It is called in the middle of the log's own work, so it must not throw.
 */
export interface AppendWaiter {
  stored(receipt: Receipt): void;
  /** One of its payloads is not known to be stored. */
  failed(error: () => PayloadLogUnavailable): void;
}

/** The log cannot take payloads now; nothing is known to be stored. The caller may try again. */
export class PayloadLogUnavailable extends Error {
  constructor(
    readonly reason: "overloaded" | "disconnected" | "full" | "timeout" | "stopping",
    options?: ErrorOptions,
  ) {
    super(`the log of payloads is not available: ${reason}`, options);
  }
}

/** One message of a partition's stream. */
export interface LogMessage {
  readonly sequence: number;
  /** The broker's timestamp, milliseconds since the epoch, rounded down. */
  readonly timeMs: number;
  /** The broker's timestamp, nanoseconds since the epoch, in decimal. */
  readonly time: string;
  readonly data: Uint8Array;
}

/** Which message it is: those that were stored apart under one sequence have different times. */
export type MessageIdentity = Pick<LogMessage, "sequence" | "time">;

/** What tells one incarnation of a stream from another. */
export interface StreamState {
  /** Creation time as the broker gives it. */
  readonly created: string;
  /** Sequence of the oldest message kept; `lastSequence + 1` when none is. */
  readonly firstSequence: number;
  /** Sequence of the newest message ever stored; 0 when there was none. */
  readonly lastSequence: number;
}

/** Reads one partition's stream, in order, without gaps, over reconnects. */
export interface PayloadFeed {
  /**
   * Up to `messagesMax` messages, contiguous with those before; waits for at least one. An empty
   * array means that the feed was stopped.
   * @throws PayloadGap when the stream no longer holds the next sequence.
   */
  next(messagesMax: number): Promise<readonly LogMessage[]>;
  /** Throws the consumer away and goes on with a new one: the cure for a silent consumer. */
  restart(): void;
  /** Idempotent; resolves when nothing is left open. */
  stop(): Promise<void>;
}

/** The stream no longer holds a sequence that has not been read (invariant I10). */
export class PayloadGap extends Error {
  constructor(
    partition: number,
    readonly expectedSequence: number,
    /** 0 when the stream was deleted and created anew. */
    readonly foundSequence: number,
  ) {
    super(
      `stream of partition ${partition}: expected sequence ${expectedSequence}, ` +
        `found ${foundSequence}`,
    );
  }
}

/**
 * A partition must not go on: its stream does not continue its checkpoint (invariant I10). The
 * message is the reason alone, since whoever shows it says which partition is stopped.
 */
export class PartitionHalted extends Error {}

/** Checks that the stream is still the one that `last`, or else the checkpoint, came from. */
export type VerifyStream = (last?: MessageIdentity) => Promise<void>;

export interface PayloadStreams {
  state(partition: number): Promise<StreamState>;
  /** The message with this sequence, or undefined when the stream no longer holds it. */
  message(partition: number, sequence: number): Promise<LogMessage | undefined>;
  /**
   * Reads from a sequence on. `verify` is called before every consumer that is made, the first
   * and those after a loss of connection, with the last message that was received so far: the
   * next consumer goes on from it, and its reader may be behind. A PartitionHalted that it
   * throws, `next` throws; after any other error it is called again.
   */
  feed(partition: number, fromSequence: number, verify: VerifyStream): PayloadFeed;
  /**
   * Publishes a tick and resolves with its sequence.
   * @throws PayloadLogUnavailable for the reason `full` when the stream has no room for it.
   */
  tick(partition: number): Promise<number>;
  /** Drops the messages up to and including `sequence`. */
  purge(partition: number, sequence: number): Promise<void>;
}

// -------------------------------------------------------------- checkpoints and commits (Postgres)

/** The place in a stream up to which a partition's state is the result. */
export interface Checkpoint {
  /** `StreamState.created` of the stream; empty before the first commit. */
  readonly streamCreated: string;
  /** Sequence of the last message applied; 0 before the first. */
  readonly sequence: number;
  /** `LogMessage.time` of that message; empty before the first. */
  readonly messageTime: string;
  /** Position of the last event; 0 before the first. */
  readonly position: number;
  /** Every window that ends at or before this time (epoch ms) is sealed. */
  readonly sealedThroughMs: number;
  /** The serialised state: see partitionState.ts. Undefined before the first commit. */
  readonly state: unknown;
}

export interface Commit {
  readonly partition: number;
  readonly epoch: number;
  readonly owner: string;
  /** Sequence and position of the checkpoint that this commit follows. */
  readonly expectedSequence: number;
  readonly expectedPosition: number;
  /** The checkpoint from now on; its position is `expectedPosition + events.length`. */
  readonly checkpoint: Checkpoint;
  readonly events: readonly DomainEvent[];
  readonly quarantined: readonly Quarantined[];
}

/**
 * `fenced`: another owner has the partition, under a later epoch. `conflict`: the epoch is right
 * but the checkpoint is not the expected one.
 */
export type CommitOutcome = "committed" | "fenced" | "conflict";

/** A token memory entry as the event log holds it. */
export interface RememberedTokens {
  readonly windowEndMs: number;
  /** `WindowSealedData.tokens`. */
  readonly tokens: string;
}

/** The database refuses what a commit holds; trying again would not help. Nothing was written. */
export class CommitRejected extends Error {}

export interface LoadedCheckpoint extends Checkpoint {
  /** It is noted that the partition is stopped, by whichever worker. */
  readonly isStopped: boolean;
}

/** Why a partition is stopped. */
export interface PartitionStop {
  readonly reason: string;
  /**
   * It must not go on (`PartitionHalted`, `PayloadGap`); else its owner failed, and the next may
   * not.
   */
  readonly isHalted: boolean;
}

export interface PartitionStore {
  load(partition: number): Promise<LoadedCheckpoint>;
  /**
   * Writes checkpoint, events and quarantine in one statement, or nothing.
   * @throws CommitRejected, or another error when the outcome is unknown; load the checkpoint to
   *   learn it.
   */
  commit(commit: Commit): Promise<CommitOutcome>;
  /**
   * What the events of a partition say about tokens, for windows that end after a time, in order.
   */
  rememberedTokens(partition: number, afterMs: number): AsyncIterable<readonly RememberedTokens[]>;
  /** Notes why a partition is stopped, for people and readiness; undefined: it runs. */
  markStopped(partition: number, epoch: number, stop: PartitionStop | undefined): Promise<void>;
  /**
   * Notes that an owner reads it again: what stopped it, if that still stands, has not halted it.
   */
  markGoingOn(partition: number, epoch: number): Promise<void>;
  /**
   * The last sequence of the windows that end at or before a time, and were sealed, by the clock of
   * the database, at or before another; 0 when there is none.
   */
  lastSealedSequence(partition: number, windowEndMs: number, sealedMs: number): Promise<number>;
}

// ---------------------------------------------------------------------------- ownership (Postgres)

/** A partition under an epoch, as owned by one worker. */
export interface Ownership {
  readonly partition: number;
  readonly epoch: number;
}

/** Ownership of partitions: a lease of each worker, by the database's clock, and epochs. */
export interface LeaseStore {
  /**
   * Renews the worker's lease, takes free partitions up to its fair share, and returns what it
   * owns. `surplus` is how many of them it should release for others.
   */
  renew(worker: WorkerIdentity, leaseMs: number): Promise<LeaseState>;
  /** Gives partitions back, so that others can take them at once. */
  release(worker: WorkerIdentity, partitions: readonly number[]): Promise<void>;
  /** Ends the lease of a worker that stops. */
  leave(worker: WorkerIdentity): Promise<void>;
  /** Ends the leases of workers that are known to be dead. */
  forget(workerIds: readonly string[]): Promise<void>;
  /** The workers whose lease runs, with where they run. */
  workers(): Promise<readonly WorkerIdentity[]>;
  /** Calls back whenever partitions may have become free. Returns how to stop that. */
  onChange(callback: () => void): () => void;
}

export interface WorkerIdentity {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
}

export interface LeaseState {
  readonly owned: readonly Ownership[];
  readonly surplus: number;
}

// ---------------------------------------------------------------------------- turns (this process)

/** Runs long work one after the other, with room for everything else in between. */
export interface Turns {
  /** The work may pause wherever it yields. First come, first served. */
  run<Result>(work: Generator<unknown, Result>): Promise<Result>;
  /**
   * The same, but before all that waits: for what follows a turn, so that a commit begins while
   * others wait for theirs. Of several that wait, the last one goes first.
   */
  runNext<Result>(work: Generator<unknown, Result>): Promise<Result>;
}
