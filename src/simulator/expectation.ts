/**
 * What the tables have to say, from what was sent and how it was answered. The window of a payload
 * is decided by the broker's clock, which lies between sending and answer; so a payload belongs to
 * a span of windows, mostly of one. Kept are sums for each (customer, content) and span, never
 * payloads.
 */
import type { Payload } from "../domain/payload.ts";
import { startsSession } from "../domain/rules.ts";
import { windowEndMs, windowIndexOf } from "../domain/windows.ts";
import type { Visit } from "./viewing.ts";

/** `acknowledged`: counted exactly once. `unknown`: counted once or not at all. */
export type Counted = "acknowledged" | "unknown";

export interface Sums {
  payloads: number;
  cdn: bigint;
  p2p: bigint;
  sessions: number;
}

/** Windows `first` to `last`, by index, and the least and the most that falls into them. */
export interface Span {
  readonly first: number;
  readonly last: number;
  readonly low: Sums;
  readonly high: Sums;
}

/** Whether the token of a visit stands in the log already: surely, or only perhaps. */
interface Seen {
  surely: boolean;
  perhaps: boolean;
}

export class Expectation {
  /** Customer, content, span (`first:last`). */
  readonly #spans = new Map<string, Map<string, Map<string, Span>>>();
  #lastWindow = -1;
  readonly #seen = new WeakMap<Visit, Seen>();

  constructor(
    readonly windowMs: number,
    /** How far the client's clock and the broker's may be apart. */
    readonly clockSkewMs: number,
  ) {}

  /** When the last window ends that a payload may have fallen into; 0 when there is none. */
  get endMs(): number {
    return windowEndMs(this.#lastWindow, this.windowMs);
  }

  customers(): readonly string[] {
    return [...this.#spans.keys()];
  }

  /** The spans of each content of a customer. */
  contents(customer: string): ReadonlyMap<string, readonly Span[]> {
    const contents = this.#spans.get(customer) ?? new Map<string, Map<string, Span>>();
    return new Map([...contents].map(([content, spans]) => [content, [...spans.values()]]));
  }

  /**
   * Adds a payload that the broker got, or may have got, between two times. Payloads of a visit
   * have to be added in the order they were sent.
   */
  add(payload: Payload, visit: Visit, counted: Counted, fromMs: number, toMs: number): void {
    const sessions = this.#sessions(payload, visit, counted);
    const span = this.#span(payload, fromMs, toMs);
    addTo(span.high, payload, sessions.high);
    if (counted === "acknowledged") addTo(span.low, payload, sessions.low);
  }

  /** The least and the most sessions that the payload starts, if it is counted. */
  #sessions(payload: Payload, visit: Visit, counted: Counted): { low: number; high: number } {
    const seen = this.#seen.get(visit) ?? { surely: false, perhaps: false };
    const low = this.#starts(payload, seen.surely || seen.perhaps);
    const high = this.#starts(payload, seen.surely);
    this.#seen.set(visit, {
      surely: seen.surely || counted === "acknowledged",
      perhaps: seen.perhaps || counted === "unknown",
    });
    return { low, high };
  }

  #starts(payload: Payload, tokenSeen: boolean): number {
    const { sessionDuration, cdn, p2p } = payload;
    return startsSession(sessionDuration, tokenSeen, cdn, p2p, this) ? 1 : 0;
  }

  #span(payload: Payload, fromMs: number, toMs: number): Span {
    const first = windowIndexOf(fromMs - this.clockSkewMs, this.windowMs);
    // The millisecond of the answer is not over when it is read.
    const last = windowIndexOf(toMs + 1 + this.clockSkewMs, this.windowMs);
    this.#lastWindow = Math.max(this.#lastWindow, last);
    const contents = entry(this.#spans, payload.customer, () => new Map());
    const spans = entry(contents, payload.content, () => new Map());
    return entry(spans, `${first}:${last}`, () => {
      return { first, last, low: noSums(), high: noSums() };
    });
  }
}

export function noSums(): Sums {
  return { payloads: 0, cdn: 0n, p2p: 0n, sessions: 0 };
}

function addTo(sums: Sums, payload: Payload, sessions: number): void {
  sums.payloads++;
  sums.cdn += BigInt(payload.cdn);
  sums.p2p += BigInt(payload.p2p);
  sums.sessions += sessions;
}

function entry<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
