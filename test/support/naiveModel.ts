/**
 * The rules of the numbers, once more, as plainly as they can be written: no digests, no
 * generations, no state machine. Tests compare the real thing against it.
 */
export interface NaiveMessage {
  readonly timeMs: number;
  readonly publisher: string;
  readonly number: number;
  readonly payloads: readonly NaivePayload[];
}

export interface NaivePayload {
  readonly token: string;
  readonly customer: string;
  readonly content: string;
  readonly timespan: number;
  readonly p2p: number;
  readonly cdn: number;
  readonly sessionDuration: number;
  readonly key?: string | undefined;
}

export interface NaiveRow {
  cdn: bigint;
  p2p: bigint;
  sessions: number;
  payloads: number;
}

/** Rows by `[windowEndMs, customer, content]` as JSON, for windows of `windowMs`. */
export function naiveRows(
  messages: readonly NaiveMessage[],
  windowMs: number,
  memoryWindows: number,
): Map<string, NaiveRow> {
  const rows = new Map<string, NaiveRow>();
  const lastSeen = new Map<string, number>();
  const lastKey = new Map<string, number>();
  const lastNumber = new Map<string, number>();
  let timeMs = 0;
  for (const message of messages) {
    timeMs = Math.max(timeMs, message.timeMs);
    const window = Math.floor(timeMs / windowMs);
    if (message.number <= (lastNumber.get(message.publisher) ?? 0)) continue;
    lastNumber.set(message.publisher, message.number);
    for (const payload of message.payloads) {
      if (payload.key !== undefined) {
        const seenAt = lastKey.get(payload.key);
        lastKey.set(payload.key, window);
        if (seenAt !== undefined && window - seenAt <= 2) continue;
      }
      const name = JSON.stringify([(window + 1) * windowMs, payload.customer, payload.content]);
      const row = rows.get(name) ?? { cdn: 0n, p2p: 0n, sessions: 0, payloads: 0 };
      rows.set(name, row);
      const token = JSON.stringify([payload.customer, payload.content, payload.token]);
      const seenAt = lastSeen.get(token);
      const seen = seenAt !== undefined && window - seenAt <= memoryWindows;
      lastSeen.set(token, window);
      const young = payload.sessionDuration < windowMs;
      if (young && (!seen || payload.cdn + payload.p2p === 0)) row.sessions++;
      row.cdn += BigInt(payload.cdn);
      row.p2p += BigInt(payload.p2p);
      row.payloads++;
    }
  }
  return rows;
}
