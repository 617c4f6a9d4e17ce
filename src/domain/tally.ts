import { ByteSum } from "./byteSum.ts";
import type { WindowNumbers } from "./events.ts";

/** What a window actor knows of a window. */
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

  /** True when a payload can be added without leaving int64. */
  fits(cdn: number, p2p: number): boolean {
    return this.cdn.fits(cdn) && this.p2p.fits(p2p);
  }
}
