/**
 * The events of the event log. `data` of what a partition makes depends on its stream alone
 * (invariant I4): who sealed a window, under which epoch and when stands in columns beside it.
 */

/** What was counted in a window, as it is written down and shown. */
export interface WindowNumbers {
  /** Sums of bytes as decimal strings, since JSON numbers are not exact beyond 2^53. */
  readonly cdn: string;
  readonly p2p: string;
  readonly sessions: number;
  /** Payloads counted in the sums. */
  readonly payloads: number;
  /** Repeated payloads of this actor that were read in this window and not counted. */
  readonly duplicates: number;
  /** Sequences of the first and the last message that hold a counted payload. */
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** `data` of a `WindowSealed`, version 1. */
export interface WindowSealedData extends WindowNumbers {
  /** Start and end of the window, ISO 8601 UTC; start-inclusive, end-exclusive. */
  readonly windowStart: string;
  readonly windowEnd: string;
  /** Digests of the tokens to remember, 8 bytes each, base64: see domain/digestCodec. */
  readonly tokens: string;
}

export interface WindowSealed {
  readonly type: "WindowSealed";
  readonly version: 1;
  readonly customer: string;
  readonly content: string;
  readonly data: WindowSealedData;
}

/** What a partition's stream makes. */
export type DomainEvent = WindowSealed;

/**
 * `data` of a `LossAccepted`, version 1: an operator let a partition go on although its stream does
 * not continue its checkpoint. Unlike all others this event is a decision, not a consequence of
 * the stream.
 */
export interface LossAcceptedData {
  /** Why the partition was stopped. */
  readonly reason: string;
  readonly checkpoint: StreamPoint;
  readonly streamCreatedBefore: string;
  readonly streamCreatedAfter: string;
  /** Sequences that the stream held when the loss was accepted; last < first when none. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** The first sequence that is read again. */
  readonly continuesFrom: number;
}

interface StreamPoint {
  readonly sequence: number;
  /** The broker's time of that message, nanoseconds since the epoch, in decimal; empty for none. */
  readonly time: string;
}

/** Something a stream held that could not be applied, and why. */
export interface Quarantined {
  readonly sequence: number;
  /** Place of the payload in its message; -1 when the whole message is meant. */
  readonly index: number;
  readonly reason: string;
  /** The message or payload as text, cut; bytes that are no UTF-8 are replaced. */
  readonly found: string;
}
