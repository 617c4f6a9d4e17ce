/**
 * What asks the past: `src/replay` implements `History` for the HTTP side, over the stores that
 * `src/store` implements.
 */
import type { ActorName } from "../domain/actorName.ts";
import type { Receipt } from "../domain/receipt.ts";
import type { RememberedTokens } from "./ports.ts";
import type { OpenWindowView, RecordedEvent } from "./readPorts.ts";
import type { StreamPlace } from "./streamIdentity.ts";

// --------------------------------------------------------------------------------- what is stored

/** Where a partition stands, as its last commit says. */
export interface PartitionPlace extends StreamPlace {
  readonly position: number;
  /** Every window that ends at or before this time is sealed, epoch ms; 0 before the first. */
  readonly sealedThroughMs: number;
  /** Windows that end by then may name sequences of a stream that is lost, epoch ms. */
  readonly sequencesFromMs: number;
  /**
   * Of the last message counted before a loss was accepted, ns since the epoch; empty without one.
   */
  readonly lossAcceptedTime: string;
}

/** The sealed window of a partition, over all its actors. */
export interface SealedWindow {
  readonly windowEndMs: number;
  /** Of the last message with a counted payload. */
  readonly lastSequence: number;
}

/** The rows of one window in the tables, as they are. */
export interface TableRows {
  readonly cdn: bigint | undefined;
  readonly p2p: bigint | undefined;
  readonly sessions: bigint | undefined;
  /** The last position of the partition that each table has applied. */
  readonly statsPosition: number;
  readonly sessionsPosition: number;
}

/** Sums over the sealed windows of an actor. */
export interface ActorTotals {
  readonly windows: number;
  readonly cdn: bigint;
  readonly p2p: bigint;
  readonly sessions: bigint;
  readonly payloads: bigint;
  readonly duplicates: bigint;
}

export interface QuarantinedPayload {
  readonly reason: string;
  /** The place of its last retry. */
  readonly retriedAs: string | undefined;
}

/** Windows that workers with one SESSION_MEMORY sealed; undefined where that was not noted. */
export interface MemorySpan {
  /** End of the first of them. */
  readonly firstEndMs: number;
  readonly sessionMemoryMs: number | undefined;
}

export interface SealedMemory {
  readonly windowEndMs: number;
  readonly sessionMemoryMs: number | undefined;
}

export interface HistoryStore {
  place(partition: number): Promise<PartitionPlace>;
  /** The last sealed window that ends at or before a time; undefined before the first. */
  lastWindowThrough(partition: number, timeMs: number): Promise<SealedWindow | undefined>;
  /**
   * The first sealed window whose last counted payload is at a sequence or after it.
   * Windows that end at or before `afterMs` are left out.
   */
  windowReaching(
    partition: number,
    sequence: number,
    afterMs: number,
  ): Promise<SealedWindow | undefined>;
  event(partition: number, position: number): Promise<RecordedEvent | undefined>;
  /** The event of one window. */
  sealedEvent(name: ActorName, windowEndMs: number): Promise<RecordedEvent | undefined>;
  /** Events of windows that end after one time and at or before another, by position. */
  sealedEvents(
    partition: number,
    afterMs: number,
    throughMs: number,
  ): AsyncIterable<readonly RecordedEvent[]>;
  /** The events of one window whose range of sequences holds a sequence. */
  eventsAround(
    partition: number,
    windowEndMs: number,
    sequence: number,
    limit: number,
  ): Promise<readonly RecordedEvent[]>;
  /** The events of an actor up to a time and a position, the newest first. */
  eventsThrough(
    name: ActorName,
    throughMs: number,
    position: number,
    limit: number,
  ): Promise<readonly RecordedEvent[]>;
  /** The fold of the events of an actor up to a time and a position. */
  totals(name: ActorName, throughMs: number, position: number): Promise<ActorTotals>;
  /**
   * What the events of an actor say about tokens, like `PartitionStore.rememberedTokens`. They are
   * all that its own sessions depend on, since the digest of a token differs from actor to actor.
   */
  tokensOf(
    name: ActorName,
    afterMs: number,
    throughMs: number,
  ): AsyncIterable<readonly RememberedTokens[]>;
  /** Of windows that end after one time and at or before another, in their order. */
  memorySpans(
    partition: number,
    afterMs: number,
    throughMs: number,
  ): Promise<readonly MemorySpan[]>;
  /** Of the last sealed window that ends at or before a time. */
  memoryThrough(partition: number, timeMs: number): Promise<SealedMemory | undefined>;
  rows(name: ActorName, windowEndMs: number, partition: number): Promise<TableRows>;
  /**
   * A receipt is one of the stream that is read now, where that has come so far, and otherwise of
   * one that an accepted loss has ended.
   */
  quarantined(receipt: Receipt): Promise<QuarantinedPayload | undefined>;
}

/** A row of a table that is not what its events say; null where there is no such row or event. */
export interface TableDifference {
  readonly table: string;
  /** The columns of its primary key, times in ISO 8601. */
  readonly key: Readonly<Record<string, string>>;
  readonly recorded: Readonly<Record<string, string | null>> | null;
  readonly expected: Readonly<Record<string, string | null>> | null;
}

export interface TableComparison {
  readonly table: string;
  /** Rows that the events give. */
  readonly rows: number;
  readonly differences: readonly TableDifference[];
  /** How many there are; `differences` holds the first of them. */
  readonly differencesTotal: number;
  /** Why it was not compared. */
  readonly skipped: string | null;
}

// ----------------------------------------------------------------------------- what is asked of it

/**
 * What a replay rests on. `whole-stream`: every message from the first on. `warm-up`: what the
 * events say of tokens, and the messages of some windows before; windows that start at or after
 * `exactFrom` come out exactly. `not-retained`: the messages are gone, or the stream is another.
 */
export type ReplayBasis =
  | { readonly kind: "whole-stream"; readonly fromSequence: number }
  | {
      readonly kind: "warm-up";
      readonly fromSequence: number;
      readonly from: string;
      readonly exactFrom: string;
    }
  | { readonly kind: "not-retained"; readonly reason: string };

/** One thing that is not as the replay, or the event, says. */
export interface Difference {
  readonly what: "event" | "stats" | "sessions";
  readonly field: string;
  readonly recorded: string | null;
  readonly expected: string | null;
}

/** A payload as it stands in the stream, and what became of it. */
export interface TracedPayload {
  readonly receipt: string;
  readonly receivedAt: string;
  /** The token, or a digest of it that tells equal ones. */
  readonly token: string;
  readonly timespan: number;
  readonly p2p: number;
  readonly cdn: number;
  readonly sessionDuration: number;
  readonly outcome: "counted" | "duplicate";
  readonly startsSession: boolean;
}

export interface ExplainQuery extends ActorName {
  readonly windowEndMs: number;
  readonly offset: number;
  readonly limit: number;
  readonly showTokens: boolean;
}

export interface Explanation extends ActorName {
  readonly time: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  readonly partition: number;
  /** `unexplained`: there is a row, but no event that says so. */
  readonly state: "sealed" | "open" | "unexplained";
  readonly row: {
    readonly cdn: string | null;
    readonly p2p: string | null;
    readonly sessions: string | null;
  };
  readonly event: RecordedEvent | undefined;
  /** How long after the window's end its event was committed; undefined while it is open. */
  readonly sealedAfterMs: number | undefined;
  readonly basis: ReplayBasis;
  /** SESSION_MEMORY under which its sessions were counted; null when it changed within it. */
  readonly sessionMemory: string | null;
  /** The window as the payloads add up to it now; undefined when they are not retained. */
  readonly replayed: OpenWindowView | undefined;
  /** Over everything that could be compared. */
  readonly agrees: boolean;
  readonly compared: readonly Difference["what"][];
  readonly differences: readonly Difference[];
  readonly payloads: readonly TracedPayload[];
  /** Payloads of the window in the stream, repeats included; 0 when they are not retained. */
  readonly payloadsTotal: number;
}

/**
 * `unread`: not known to have been read yet. `gone`: its message is no longer retained, and
 * `candidates` are the events that may count it.
 */
export type ReceiptStatus = "unread" | "open" | "sealed" | "duplicate" | "quarantined" | "gone";

export interface ReceiptFate {
  readonly receipt: string;
  readonly status: ReceiptStatus;
  readonly partition: number;
  readonly receivedAt: string | null;
  readonly customer: string | null;
  readonly content: string | null;
  readonly windowStart: string | null;
  readonly windowEnd: string | null;
  readonly startsSession: boolean | null;
  /** The event of its window; undefined until it is sealed. */
  readonly event: RecordedEvent | undefined;
  /** The receipt of the payload that it repeats, where that is known. */
  readonly duplicateOf: string | null;
  /** Why it stands in quarantine. */
  readonly reason: string | null;
  /** The receipt of its last retry out of quarantine. */
  readonly retriedAs: string | null;
  readonly candidates: readonly RecordedEvent[];
  readonly basis: ReplayBasis | null;
}

/** A time (epoch ms), or a position in the events of the actor's partition. */
export type PastMoment =
  | { readonly kind: "time"; readonly timeMs: number }
  | { readonly kind: "position"; readonly position: number };

/** Nothing is known of the moment yet: it is later than the newest one. */
export interface FutureMoment {
  readonly kind: "future";
  readonly newest: PastMoment;
}

export interface PastActor extends ActorName {
  readonly partition: number;
  /** The stream time that is shown. */
  readonly at: string;
  /** The last event of the partition, where a position was asked for. */
  readonly position: number | null;
  /** `unknown`: it had a window then, of which the payloads are no longer retained. */
  readonly state: "idle" | "open" | "sealing" | "unknown";
  readonly window: OpenWindowView | undefined;
  /** The fold of its events until then. */
  readonly totals: ActorTotals;
  readonly events: readonly RecordedEvent[];
  readonly basis: ReplayBasis | null;
}

export interface History {
  /** Undefined when nothing is known of that window. @throws PortBusy */
  explain(query: ExplainQuery): Promise<Explanation | undefined>;
  /** Undefined when there was never such a payload. @throws PortBusy */
  receipt(receipt: Receipt): Promise<ReceiptFate | undefined>;
  /** Undefined when nothing was known of the actor then. @throws PortBusy */
  actorAt(
    name: ActorName,
    moment: PastMoment,
    events: number,
  ): Promise<PastActor | FutureMoment | undefined>;
}
