import { ByteSum } from "./byteSum.ts";
import type { WindowNumbers } from "./events.ts";

/** What a window actor knows of a window, or of a part of one that is about to be added to it. */
export class Tally {
  cdn = new ByteSum();
  p2p = new ByteSum();
  sessions = 0;
  /** Payloads in the sums. */
  payloads = 0;
  /** Repeated payloads, which are not in the sums. */
  duplicates = 0;
  /** Sequences of the first and the last message with a payload in the sums. */
  firstSequence = 0;
  lastSequence = 0;
  /** Digests to remember that the event has to carry: high and low half of each, in turn. */
  tokens: number[] = [];

  /** Adds everything of a later tally of the same window to this one, and returns this one. */
  merge(later: Tally): this {
    this.cdn.merge(later.cdn);
    this.p2p.merge(later.p2p);
    this.sessions += later.sessions;
    if (this.payloads === 0) this.firstSequence = later.firstSequence;
    if (later.payloads > 0) this.lastSequence = later.lastSequence;
    this.payloads += later.payloads;
    this.duplicates += later.duplicates;
    for (const half of later.tokens) this.tokens.push(half);
    return this;
  }

  /** Its numbers, written out. */
  numbers(): WindowNumbers {
    return {
      cdn: this.cdn.toString(),
      p2p: this.p2p.toString(),
      sessions: this.sessions,
      payloads: this.payloads,
      duplicates: this.duplicates,
      firstSequence: this.firstSequence,
      lastSequence: this.lastSequence,
    };
  }

  /** True when a payload can be added to this tally and `pending` without leaving int64. */
  fits(pending: Tally, cdn: number, p2p: number): boolean {
    return this.cdn.fitsWith(pending.cdn, cdn) && this.p2p.fitsWith(pending.p2p, p2p);
  }
}
