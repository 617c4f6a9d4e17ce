/**
 * The broker's timestamps, exact. Nanoseconds since the epoch do not fit in a double, so they stay
 * decimal text from the wire to the checkpoint.
 */
import type { MessageIdentity } from "../actors/ports.ts";

/**
 * Reads the reply subject of a delivered message:
 * `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>`, and
 * in the longer form with `<domain>.<account>` before the stream. Undefined when it is neither.
 */
export function parseDelivery(reply: string): MessageIdentity | undefined {
  const tokens = reply.split(".");
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const shift = tokens.length === 9 ? 0 : 2;
  if (shift > 0 && tokens.length < 11) return undefined;
  const sequence = Number(tokens[5 + shift]);
  const time = tokens[7 + shift];
  if (!Number.isSafeInteger(sequence) || time === undefined || !/^\d+$/.test(time)) {
    return undefined;
  }
  return { sequence, time };
}

/** Milliseconds since the epoch, rounded down. */
export function millisOf(time: string): number {
  return Number(time.slice(0, -6));
}

/** Nanoseconds since the epoch of a time like `2026-01-02T03:04:05.123456789Z`, in decimal. */
export function nanosOfRfc3339(text: string): string {
  const match = /^([^.]*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  const seconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`) / 1_000;
  if (!Number.isSafeInteger(seconds)) throw new Error(`not a broker timestamp: ${text}`);
  return `${seconds}${(match?.[2] ?? "").padEnd(9, "0")}`;
}
