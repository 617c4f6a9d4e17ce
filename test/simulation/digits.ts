/** Every acknowledged payload is in exactly one window, once; what was refused at most once. */
import type { StoredMessage } from "./broker.ts";
import { type Actor, digitsOfField, type SentPayload } from "./devices.ts";
import type { PartitionRow } from "./partitionRow.ts";

/** How many windows may lie between repeats that count as one, by the promise of ingest. */
const repeatWindowsMax = 2;

export function checkDigits(
  sent: readonly SentPayload[],
  messages: readonly StoredMessage[],
  row: PartitionRow,
  windowMs: number,
  wrong: (what: string) => void,
): void {
  const sums = sumsOf(row);
  const spans = windowsOf(messages, windowMs);
  for (const { id, actor, digit, acknowledged, payload } of sent) {
    const windows = spans.get(id) ?? [];
    if (acknowledged && windows.length === 0) wrong(`payload ${id} is acknowledged, not stored`);
    if (digit === undefined) continue;
    const counted = digitOf(sums.get(nameOf(actor)), digit);
    const near = Math.max(...windows) - Math.min(...windows) <= repeatWindowsMax;
    const most = payload.key === undefined || near ? 1 : windows.length;
    const least = acknowledged ? 1 : 0;
    if (counted >= least && counted <= most) continue;
    wrong(`payload ${id} is counted ${counted} times, not ${least} to ${most}`);
  }
}

interface Sums {
  cdn: bigint;
  p2p: bigint;
}

/** What all windows of each actor add up to. */
function sumsOf(row: PartitionRow): Map<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const { event } of row.events) {
    const sum = sums.get(nameOf(event)) ?? { cdn: 0n, p2p: 0n };
    sums.set(nameOf(event), sum);
    sum.cdn += BigInt(event.data.cdn);
    sum.p2p += BigInt(event.data.p2p);
  }
  return sums;
}

function nameOf({ customer, content }: Pick<Actor, "customer" | "content">): string {
  return JSON.stringify([customer, content]);
}

function digitOf(sums: Sums | undefined, digit: number): number {
  if (sums === undefined) return 0;
  const [sum, place] =
    digit < digitsOfField ? [sums.cdn, digit] : [sums.p2p, digit - digitsOfField];
  return Number((sum >> BigInt(2 * place)) & 3n);
}

/** The windows in which each payload was stored, by its id; one for each time. */
function windowsOf(messages: readonly StoredMessage[], windowMs: number): Map<number, number[]> {
  const windows = new Map<number, number[]>();
  let timeMs = 0;
  for (const message of messages) {
    timeMs = Math.max(timeMs, message.timeMs);
    for (const id of message.meaning.sent) {
      const list = windows.get(id) ?? [];
      windows.set(id, list);
      list.push(Math.floor(timeMs / windowMs));
    }
  }
  return windows;
}
