/** The rules of the numbers, written once more and plainly: streams in, rows out. */
import type { StoredMessage, StoredPayload } from "./streams.ts";

export interface ExpectedRow {
  cdn: bigint;
  p2p: bigint;
  sessions: number;
  payloads: number;
  duplicates: number;
  firstSequence: number;
  lastSequence: number;
}

export interface Folded {
  /** By `[end of the window in epoch ms, customer, content]` as JSON. */
  readonly rows: ReadonlyMap<string, ExpectedRow>;
  /** How often each payload counts, by its id. */
  readonly counted: ReadonlyMap<number, number>;
  /** All copies of each payload that lie in the streams. */
  readonly copies: ReadonlyMap<number, readonly Copy[]>;
  /** Payloads that came again, under a key, later than a key is remembered, and so count again. */
  readonly lateRepeats: ReadonlySet<number>;
  readonly payloadsStored: number;
}

interface Copy extends StoredPayload {
  /** `<partition>.<sequence>.<index>` */
  readonly receipt: string;
}

/** A key is remembered in the two windows after the one it was last seen in. */
const keyWindows = 2;

/** @param messages of all partitions, each in the order of its stream. */
export function fold(messages: readonly StoredMessage[], windowMs: number): Folded {
  const partitions = Map.groupBy(messages, ({ partition }) => partition);
  const folder = new Folder(windowMs);
  for (const stream of partitions.values()) folder.foldStream(stream);
  return folder;
}

class Folder implements Folded {
  readonly rows = new Map<string, ExpectedRow>();
  readonly counted = new Map<number, number>();
  readonly copies = new Map<number, Copy[]>();
  readonly lateRepeats = new Set<number>();
  readonly #tokens = new Set<string>();
  payloadsStored = 0;

  constructor(private readonly windowMs: number) {}

  foldStream(stream: readonly StoredMessage[]): void {
    const lastNumbers = new Map<string, number>();
    const lastKeys = new Map<string, number>();
    let timeMs = 0;
    for (const message of stream) {
      // The time of reception never goes backwards along a stream.
      timeMs = Math.max(timeMs, message.timeMs);
      const repeated = message.number <= (lastNumbers.get(message.publisher) ?? 0);
      if (!repeated) lastNumbers.set(message.publisher, message.number);
      const window = Math.floor(timeMs / this.windowMs);
      for (const [index, payload] of message.payloads.entries()) {
        this.#note(message, index, payload);
        const row = this.#row(window, payload);
        if (repeated || this.#keyKnown(lastKeys, window, payload)) row.duplicates++;
        else this.#count(row, message.sequence, payload);
      }
    }
  }

  #note({ partition, sequence }: StoredMessage, index: number, payload: StoredPayload) {
    const copy = { ...payload, receipt: `${partition}.${sequence}.${index}` };
    const copies = this.copies.get(payload.id);
    if (copies === undefined) this.copies.set(payload.id, [copy]);
    else copies.push(copy);
    this.payloadsStored++;
  }

  #keyKnown(lastKeys: Map<string, number>, window: number, payload: StoredPayload): boolean {
    if (payload.key === undefined) return false;
    const last = lastKeys.get(payload.key);
    lastKeys.set(payload.key, window);
    if (last === undefined) return false;
    if (window - last <= keyWindows) return true;
    this.lateRepeats.add(payload.id);
    return false;
  }

  #count(row: ExpectedRow, sequence: number, payload: StoredPayload): void {
    const { id, customer, content, token, cdn, p2p, sessionDuration } = payload;
    this.counted.set(id, (this.counted.get(id) ?? 0) + 1);
    const seenAs = JSON.stringify([customer, content, token]);
    const seen = this.#tokens.has(seenAs);
    this.#tokens.add(seenAs);
    if (sessionDuration < this.windowMs && (!seen || cdn + p2p === 0)) row.sessions++;
    row.cdn += BigInt(cdn);
    row.p2p += BigInt(p2p);
    if (row.payloads === 0) row.firstSequence = sequence;
    row.lastSequence = sequence;
    row.payloads++;
  }

  #row(window: number, { customer, content }: StoredPayload): ExpectedRow {
    const name = JSON.stringify([(window + 1) * this.windowMs, customer, content]);
    let row = this.rows.get(name);
    if (row === undefined) {
      const counts = { sessions: 0, payloads: 0, duplicates: 0, firstSequence: 0, lastSequence: 0 };
      row = { cdn: 0n, p2p: 0n, ...counts };
      this.rows.set(name, row);
    }
    return row;
  }
}
