/** What the load generator knows of each payload: the verifier's one input from the client side. */

export interface SentPayload {
  /** Unique in the run, sent as `timespan`, which no number is made of: so it can be any. */
  readonly id: number;
  readonly token: string;
  readonly customer: string;
  readonly content: string;
  readonly p2p: number;
  readonly cdn: number;
  readonly sessionDuration: number;
  /** Sent with an Idempotency-Key, and perhaps several times. */
  readonly keyed: boolean;
}

/**
 * `acknowledged`: at least one 202. `refused`: surely never taken. `unanswered`: anything else;
 * it may be there once, or not at all.
 */
export type Fate = "acknowledged" | "unanswered" | "refused";

export interface PostedPayload extends SentPayload {
  fate: Fate;
  /** The receipts of single posts: `<partition>.<sequence>.<index>`. */
  readonly receipts: string[];
}
