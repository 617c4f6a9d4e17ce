/** What became of one payload. */
import type { ReceiptFate, ReceiptStatus } from "../actors/historyPorts.ts";
import type { LogMessage } from "../actors/ports.ts";
import type { ActorDirectory, OpenWindowView, RecordedEvent } from "../actors/readPorts.ts";
import { type Batch, decodeMessage, payloadWidth } from "../domain/envelope.ts";
import { formatReceipt, parseReceipt, type Receipt } from "../domain/receipt.ts";
import { windowEndMs, windowIndexOf, windowStartMs } from "../domain/windows.ts";
import { rulesOfWindow } from "./memories.ts";
import { planReplay } from "./plan.ts";
import { runReplay } from "./run.ts";
import { type Past, readStream } from "./sources.ts";
import { payloadAt, ReceiptTrace } from "./trace.ts";
import { recordedWindow } from "./views.ts";

/** Events that are named when a payload itself is no longer there to ask. */
const candidatesMax = 100;

/**
 * Undefined when the broker never gave that receipt, or it names no payload. Nobody knows how far
 * a stream went that is lost.
 */
export async function followReceipt(
  past: Past,
  actors: Pick<ActorDirectory, "get">,
  receipt: Receipt,
): Promise<ReceiptFate | undefined> {
  const fate = await firstFate(past, actors, receipt);
  if (fate?.status !== "quarantined") return fate;
  const { retriedAs } = (await past.history.quarantined(receipt)) ?? {};
  return { ...fate, retriedAs: retriedAs === undefined ? null : firstReceiptAt(retriedAs) };
}

/** The place of a payload is its receipt; that of a message has one for its first payload. */
function firstReceiptAt(place: string): string {
  return parseReceipt(place) === undefined ? `${place}.0` : place;
}

/** What its partition made of it, whatever an operator did with it later. */
async function firstFate(
  past: Past,
  actors: Pick<ActorDirectory, "get">,
  receipt: Receipt,
): Promise<ReceiptFate | undefined> {
  const { partition, sequence } = receipt;
  if (partition >= past.rules.partitions) return undefined;
  const place = await past.history.place(partition);
  const stream = await readStream(past, partition, place);
  const message = stream && (await past.streams.message(partition, sequence));
  if (message === undefined) {
    const mayBeOfLostStream = stream === undefined || Number.isFinite(place.sequencesFromMs);
    const isKnown = sequence <= Math.max(place.sequence, stream?.lastSequence ?? 0);
    if (sequence < 1 || !(isKnown || mayBeOfLostStream)) return undefined;
    return await withoutPayload(past, receipt);
  }
  const decoded = decodeMessage(message.data);
  if (decoded.kind === "tick") return undefined;
  if (decoded.kind === "unreadable") {
    return receipt.index === 0 ? unreadable(past, receipt, message, decoded.reason) : undefined;
  }
  if (receipt.index * payloadWidth >= decoded.payloads.length) return undefined;
  const fate = await fateOf(past, receipt, decoded, message);
  if (fate.status !== "open" || sequence <= place.sequence) return fate;
  return { ...fate, status: (await isRead(actors, fate, sequence)) ? "open" : "unread" };
}

/** True when the owner says that it has come that far. The checkpoint follows it by seconds. */
async function isRead(
  actors: Pick<ActorDirectory, "get">,
  { customer, content, windowEnd }: ReceiptFate,
  sequence: number,
): Promise<boolean> {
  if (customer === null || content === null) return false;
  const actor = await actors.get(customer, content);
  const window: OpenWindowView | undefined =
    typeof actor === "object" && actor.window?.windowEnd === windowEnd ? actor.window : undefined;
  return window !== undefined && window.lastSequence >= sequence;
}

async function fateOf(
  past: Past,
  receipt: Receipt,
  batch: Batch,
  message: LogMessage,
): Promise<ReceiptFate> {
  const { history } = past;
  const { windowMs } = past.rules;
  const ownEndMs = windowEndMs(windowIndexOf(message.timeMs, windowMs), windowMs);
  const { rules, isNew } = await rulesOfWindow(past, receipt.partition, ownEndMs);
  const payload = payloadAt(batch, receipt.index);
  const { customer, content } = payload;
  const plan = await planReplay(past, receipt.partition, rules, message.timeMs, isNew);
  if ("reason" in plan) return { ...unknownFate(receipt), customer, content, basis: plan };
  const trace = new ReceiptTrace(receipt, batch);
  const after = await runReplay(past, {
    plan,
    rules,
    actor: payload,
    reading: (read) => trace.reading(read),
    observer: trace,
    throughSequence: receipt.sequence,
  });
  const receivedAt = iso(message.timeMs);
  const found = { customer, content, receivedAt, basis: plan.basis };
  if (after.sequence < receipt.sequence) {
    // Its window has lost payloads already, and cannot be told from its stream any more.
    const gone = await withoutPayload(past, receipt, message.timeMs);
    const fate = { ...gone, ...found };
    const event = await history.sealedEvent(payload, ownEndMs);
    if (gone.status !== "gone" || !event || !holds(event, receipt.sequence)) return fate;
    const windowStart = iso(ownEndMs - windowMs);
    return { ...fate, windowStart, windowEnd: iso(ownEndMs), candidates: [event] };
  }
  const { windowIndex } = after;
  const endMs = windowEndMs(windowIndex, rules.windowMs);
  const window = {
    windowStart: iso(windowStartMs(windowIndex, rules.windowMs)),
    windowEnd: iso(endMs),
  };
  const fate = { ...unknownFate(receipt), ...found, ...window };
  if (trace.outcome === undefined) {
    const reason = reasonIn(after.quarantined, receipt) ?? null;
    return { ...fate, status: "quarantined", reason };
  }
  const event = await history.sealedEvent(payload, endMs);
  if (trace.outcome === "duplicate") {
    const { duplicateOf = null } = trace;
    return { ...fate, status: "duplicate", startsSession: false, duplicateOf, event };
  }
  const status: ReceiptStatus = event === undefined ? "open" : "sealed";
  return { ...fate, status, startsSession: trace.startsSession, event };
}

function holds(event: RecordedEvent, sequence: number): boolean {
  const window = recordedWindow(event);
  if (window === undefined) return false;
  return window.firstSequence <= sequence && sequence <= window.lastSequence;
}

function reasonIn(
  quarantined: readonly { sequence: number; index: number; reason: string }[],
  { sequence, index }: Receipt,
): string | undefined {
  return quarantined.find((one) => one.sequence === sequence && one.index === index)?.reason;
}

function unreadable(
  past: Past,
  receipt: Receipt,
  message: LogMessage,
  reason: string,
): ReceiptFate {
  const windowIndex = windowIndexOf(message.timeMs, past.rules.windowMs);
  return {
    ...unknownFate(receipt),
    status: "quarantined",
    receivedAt: iso(message.timeMs),
    windowStart: iso(windowStartMs(windowIndex, past.rules.windowMs)),
    windowEnd: iso(windowEndMs(windowIndex, past.rules.windowMs)),
    reason,
  };
}

/**
 * What quarantine and the sequence ranges of events still say.
 * @param receivedMs when it was received, where that is known: a window that begins later holds it
 *   only if the broker's clock had been set back, by a window at most.
 */
async function withoutPayload(
  { history, rules: { windowMs } }: Past,
  receipt: Receipt,
  receivedMs = Number.POSITIVE_INFINITY,
): Promise<ReceiptFate> {
  const { partition, sequence } = receipt;
  const fate = unknownFate(receipt);
  const quarantined = await history.quarantined(receipt);
  if (quarantined !== undefined) {
    return { ...fate, status: "quarantined", reason: quarantined.reason };
  }
  const { sequencesFromMs } = await history.place(partition);
  const window = await history.windowReaching(partition, sequence, sequencesFromMs);
  if (window === undefined || window.windowEndMs - 2 * windowMs > receivedMs) return fate;
  const endMs = window.windowEndMs;
  const candidates = await history.eventsAround(partition, endMs, sequence, candidatesMax);
  return { ...fate, candidates, windowEnd: iso(endMs) };
}

function unknownFate(receipt: Receipt): ReceiptFate {
  return {
    receipt: formatReceipt(receipt),
    status: "gone",
    partition: receipt.partition,
    receivedAt: null,
    customer: null,
    content: null,
    windowStart: null,
    windowEnd: null,
    startsSession: null,
    event: undefined,
    duplicateOf: null,
    reason: null,
    retriedAs: null,
    candidates: [],
    basis: null,
  };
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
