/**
 * The state of a partition as a checkpoint keeps it: versioned, plain JSON. What the events
 * already say (the memory of tokens) is not in it.
 */
import type { ActorName } from "../domain/actorName.ts";
import type { WindowNumbers } from "../domain/events.ts";

export interface PartitionState {
  readonly v: 1;
  /** Stream time, epoch ms: the largest reception time so far. */
  readonly timeMs: number;
  readonly ledger: LedgerCounts;
  /** The windows that are open. */
  readonly windows: readonly OpenWindowState[];
  /** The last message number of each publisher, least recently heard first. */
  readonly publishers: readonly PublisherState[];
  /**
   * The places in quarantine that were retried, in the same form. Missing where an import or an
   * accepted loss of a program from before version 14 of the tables has made the state.
   */
  readonly retries?: readonly PublisherState[];
  /** Digests of idempotency keys by the index of the window they were seen in, oldest first. */
  readonly keys: readonly (readonly [windowIndex: number, digests: string])[];
}

export interface OpenWindowState extends ActorName, WindowNumbers {
  /** As `WindowSealedData` has them. */
  readonly tokens: string;
}

export interface PublisherState {
  readonly id: string;
  readonly number: number;
  /** Stream time when it was last heard, epoch ms. */
  readonly heardMs: number;
}

/** What became of every payload read, since the stream began (invariant I9). */
export interface LedgerCounts {
  /** Payloads in the messages read; an unreadable message counts as one. */
  readonly read: number;
  /** Payloads in sealed events. */
  readonly sealed: number;
  readonly duplicates: number;
  readonly quarantined: number;
}

/** The state of a partition that has read nothing. */
export const emptyPartitionState: PartitionState = {
  v: 1,
  timeMs: 0,
  ledger: { read: 0, sealed: 0, duplicates: 0, quarantined: 0 },
  windows: [],
  publishers: [],
  retries: [],
  keys: [],
};

/**
 * Checks the shape of a stored state, so far as to tell it from another version or from nonsense.
 * @throws when it is not one that this version can read.
 */
export function readPartitionState(value: unknown): PartitionState {
  if (typeof value !== "object" || value === null || !("v" in value)) {
    throw new Error("the checkpoint holds no partition state");
  }
  if (value.v !== 1) {
    throw new Error(`the checkpoint has version ${String(value.v)}; this program reads version 1`);
  }
  return value as PartitionState;
}
