/** What operators read and decide beyond looking: losses, quarantine, and the ledger. */
import type { LossAcceptedData } from "../domain/events.ts";
import type { QuarantinePlace } from "../domain/receipt.ts";
import type { Checkpoint } from "./ports.ts";

// ------------------------------------------------------------------------------ accepting a loss

/** A partition as it was left by its last owner. */
export interface LeftPartition {
  readonly epoch: number;
  readonly checkpoint: Checkpoint;
  /** Why it must not go on; undefined while it runs, and when its owner has only failed. */
  readonly halted: string | undefined;
  /** Broker time up to which earlier losses were accepted; empty when there was none. */
  readonly lossAcceptedTime: string;
}

export interface LossCommit {
  readonly partition: number;
  /** As they were when the place to go on was chosen. */
  readonly epoch: number;
  readonly expectedSequence: number;
  readonly expectedPosition: number;
  readonly streamCreated: string;
  /** The last sequence that is not read again, and its time; empty when it is not held. */
  readonly sequence: number;
  readonly messageTime: string;
  /** Broker time up to which messages count as read. */
  readonly countedTime: string;
  /** The state to begin with when there is none yet. */
  readonly emptyState: unknown;
  readonly data: LossAcceptedData;
  readonly by: string;
}

export interface LossStore {
  /** Undefined when there is no such partition. */
  left(partition: number): Promise<LeftPartition | undefined>;
  /** Moves the checkpoint and records the event, together; `conflict`: it is not as expected. */
  accept(loss: LossCommit): Promise<"accepted" | "running" | "conflict">;
}

export type AcceptLossOutcome =
  | { readonly kind: "accepted"; readonly position: number; readonly data: LossAcceptedData }
  | { readonly kind: "unknown" | "running" | "conflict" };

export interface PartitionControl {
  acceptLoss(partition: number, by: string): Promise<AcceptLossOutcome>;
}

// ------------------------------------------------------------------------------------ quarantine

export const quarantineStates = ["held", "retrying", "retried", "discarded"] as const;
/** `retrying`: it is being published again, and whether that happened is not known yet. */
export type QuarantineState = (typeof quarantineStates)[number];

export interface QuarantineRow {
  /** Grows with every row. */
  readonly id: number;
  readonly place: QuarantinePlace;
  readonly reason: string;
  /** The message or payload as text, cut; of many payloads of one message little is kept. */
  readonly found: string;
  readonly quarantinedAt: string;
  readonly state: QuarantineState;
  /** The receipt under which it stands in the stream again. */
  readonly retriedAs: string | null;
  readonly decidedAt: string | null;
  readonly decidedBy: string | null;
}

export interface QuarantineQuery {
  readonly partition?: number | undefined;
  readonly state?: QuarantineState | undefined;
  /** Exactly this reason. */
  readonly reason?: string | undefined;
  /** Only rows with a smaller id. */
  readonly before?: number | undefined;
  readonly limit: number;
}

/**
 * `uncertain`: a first retry failed so long ago that a second one might count twice. `busy`: so
 * many were retried lately that the partition's owner could forget some.
 */
export type ClaimOutcome = "claimed" | "unknown" | "retried" | "discarded" | "uncertain" | "busy";

export interface QuarantineStore {
  /** The newest first. */
  list(query: QuarantineQuery): Promise<readonly QuarantineRow[]>;
  find(place: QuarantinePlace): Promise<QuarantineRow | undefined>;
  /** The incarnation that a partition's stream is in now. */
  incarnation(partition: number): Promise<number>;
  /** Marks a row `retrying`; one that is so already may be claimed again. */
  claim(id: number, by: string): Promise<ClaimOutcome>;
  /** Marks a claimed row `retried`. */
  retried(id: number, retriedAs: string): Promise<void>;
  /**
   * Marks a row `discarded`; false when that was decided otherwise, or a retry may still be made
   * again.
   */
  discard(id: number, by: string): Promise<boolean>;
}

export type RetryOutcome =
  | { readonly kind: "retried"; readonly retriedAs: string }
  /**
   * `lost`: its message is in the stream no longer, and not all of it was kept. `oversized`: in the
   * envelope of a retry it is larger than what the broker takes.
   */
  | {
      readonly kind:
        | Exclude<ClaimOutcome, "claimed" | "retried">
        | "already"
        | "lost"
        | "oversized";
    };

export type DiscardOutcome = "discarded" | "unknown" | "conflict";

export interface QuarantineControl {
  list(query: QuarantineQuery): Promise<readonly QuarantineRow[]>;
  find(place: QuarantinePlace): Promise<QuarantineRow | undefined>;
  retry(place: QuarantinePlace, by: string): Promise<RetryOutcome>;
  discard(place: QuarantinePlace, by: string): Promise<DiscardOutcome>;
}

/** Publishes what comes out of quarantine. */
export interface RetryLog {
  /**
   * False for a message that the broker would never take.
   * @throws when nothing can be published now.
   */
  takes(message: string): boolean;
  /** Resolves with the sequence. @throws when it is not known to be stored. */
  publish(partition: number, message: string): Promise<number>;
}

// ------------------------------------------------------------------------------------ the ledger

/** What became of the payloads of a partition, all taken at one checkpoint of it. */
export interface LedgerEntry {
  readonly partition: number;
  readonly sequence: number;
  readonly position: number;
  /** Payloads in the messages read, as the partition's owners counted them. */
  readonly read: number;
  /** Payloads of the events up to `countedTo`, added up over the event log. */
  readonly sealed: number;
  /** Less than `position` when there was no time for all events. */
  readonly countedTo: number;
  /** Payloads of the windows that the checkpoint keeps open. */
  readonly open: number;
  readonly duplicates: number;
  /** Rows of the quarantine. */
  readonly quarantined: number;
}

export interface LedgerStore {
  /**
   * Every partition at one moment. Sums go on from those in `since`, which were given by an
   * earlier call, so that only later events are read, and of these no more than about `eventsMax`.
   */
  entries(since: readonly LedgerEntry[], eventsMax: number): Promise<readonly LedgerEntry[]>;
}

export interface LedgerLine extends Omit<LedgerEntry, "countedTo"> {
  /** `read` less all the others. */
  readonly missing: number;
  readonly balanced: boolean;
}

export interface LedgerReport {
  readonly balanced: boolean;
  readonly total: Omit<LedgerLine, "partition" | "sequence" | "position">;
  readonly partitions: readonly LedgerLine[];
}

export interface LedgerReader {
  /** @param recount whether to add up all events anew, and not only those since the last time. */
  report(recount: boolean): Promise<LedgerReport>;
}
