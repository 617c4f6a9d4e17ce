/**
 * An actor as it was: its events until then, folded, and the window that was open then, from the
 * stream. Then is a stream time, or the instant after an event of its partition.
 */
import type { ActorTotals, FutureMoment, PastActor, PastMoment } from "../actors/historyPorts.ts";
import type { ActorName } from "../domain/actorName.ts";
import { partitionOf } from "../domain/digest.ts";
import type { DomainEvent } from "../domain/events.ts";
import { timeMsMax, windowIndexOf, windowStartMs } from "../domain/windows.ts";
import { rulesOfWindow } from "./memories.ts";
import { holding, planReplay } from "./plan.ts";
import { runReplay } from "./run.ts";
import { type Past, readStream } from "./sources.ts";
import { openWindow, recordedWindow } from "./views.ts";

/** Beyond any position. */
const everyPosition = Number.MAX_SAFE_INTEGER;

/** Undefined when nothing was known of the actor then. */
export async function actorAt(
  past: Past,
  name: ActorName,
  moment: PastMoment,
  events: number,
): Promise<PastActor | FutureMoment | undefined> {
  const partition = partitionOf(name.customer, name.content, past.rules.partitions);
  const newest = await newestMoment(past, partition, moment);
  if (newest !== undefined) return { kind: "future", newest };
  const found =
    moment.kind === "time"
      ? await atTime(past, name, partition, moment.timeMs)
      : await atPosition(past, name, partition, moment.position);
  if (found === undefined) return undefined;
  const { throughMs, unsealed, position, ...state } = found;
  const [recorded, recent] = await Promise.all([
    past.history.totals(name, throughMs, position ?? everyPosition),
    past.history.eventsThrough(name, throughMs, position ?? everyPosition, events),
  ]);
  const totals = unsealed.reduce(withWindow, recorded);
  if (totals.windows === 0 && state.state === "idle") return undefined;
  return { ...name, partition, position, ...state, totals, events: recent };
}

/** The newest moment, when the one that is asked for is later than it. */
async function newestMoment(
  past: Past,
  partition: number,
  moment: PastMoment,
): Promise<PastMoment | undefined> {
  const { clock, history, streams } = past;
  if (moment.kind === "position") {
    const { position } = await history.place(partition);
    return moment.position > position ? { kind: "position", position } : undefined;
  }
  const nowMs = clock.now();
  if (moment.timeMs <= nowMs) return undefined;
  // The broker's clock decides, and may be ahead of this one.
  const stream = await readStream(past, partition, await history.place(partition));
  const last = stream && (await streams.message(partition, stream.lastSequence));
  const timeMs = Math.max(nowMs, last?.timeMs ?? 0);
  return moment.timeMs > timeMs ? { kind: "time", timeMs } : undefined;
}

type Found = Omit<PastActor, "customer" | "content" | "partition" | "totals" | "events"> & {
  /** Windows that end by then are sealed. */
  readonly throughMs: number;
  /** What became of windows that had ended then, and that the log does not hold yet. */
  readonly unsealed: readonly DomainEvent[];
};

function withWindow(totals: ActorTotals, { data }: DomainEvent): ActorTotals {
  return {
    windows: totals.windows + 1,
    cdn: totals.cdn + BigInt(data.cdn),
    p2p: totals.p2p + BigInt(data.p2p),
    sessions: totals.sessions + BigInt(data.sessions),
    payloads: totals.payloads + BigInt(data.payloads),
    duplicates: totals.duplicates + BigInt(data.duplicates),
  };
}

async function atTime(
  past: Past,
  name: ActorName,
  partition: number,
  timeMs: number,
): Promise<Found> {
  const { history } = past;
  const { windowMs } = past.rules;
  const windowIndex = windowIndexOf(timeMs, windowMs);
  const startMs = windowStartMs(windowIndex, windowMs);
  // An owner may be behind by any time; what has ended meanwhile is in the stream alone.
  const { sealedThroughMs } = await history.place(partition);
  const throughMs = Math.min(startMs, sealedThroughMs);
  const { rules, isNew } = await rulesOfWindow(past, partition, startMs + windowMs);
  const at = new Date(timeMs).toISOString();
  const then = { at, position: null, throughMs };
  const plan = holding(await planReplay(past, partition, rules, throughMs, isNew), startMs);
  if ("reason" in plan) {
    // A window that is sealed and has no event had no payload that counted.
    const endMs = startMs + rules.windowMs;
    const isEmpty =
      endMs <= sealedThroughMs && (await history.sealedEvent(name, endMs)) === undefined;
    const state = isEmpty ? ("idle" as const) : ("unknown" as const);
    return { ...then, state, unsealed: [], window: undefined, basis: plan };
  }
  const unsealed: DomainEvent[] = [];
  const keep = (events: readonly DomainEvent[]) => {
    unsealed.push(...events.filter((event) => isSince(event, name, throughMs)));
  };
  const after = await runReplay(past, {
    plan,
    rules,
    actor: name,
    sealed: keep,
    throughMs: timeMs,
  });
  // When nothing was read since, the window before has ended all the same.
  if (after.endsWindow(timeMs)) keep(after.seal(timeMs));
  const actor = after.actors.find(name.customer, name.content);
  const window = openWindow(actor, windowIndex, rules.windowMs);
  const state = window === undefined ? ("idle" as const) : ("open" as const);
  return { ...then, state, unsealed, window, basis: plan.basis };
}

function isSince({ customer, content, data }: DomainEvent, name: ActorName, afterMs: number) {
  const isOwn = customer === name.customer && content === name.content;
  return isOwn && Date.parse(data.windowEnd) > afterMs;
}

/**
 * The events of a window are committed together, in the order of names. In the midst of them, the
 * window of an actor whose turn is yet to come is sealing.
 */
async function atPosition(
  past: Past,
  name: ActorName,
  partition: number,
  position: number,
): Promise<Found | undefined> {
  const at = await past.history.event(partition, position);
  if (at === undefined) return undefined;
  // An event that is about no window stands between those of two windows.
  const throughMs = at.windowEnd === "" ? timeMsMax : Date.parse(at.windowEnd);
  const own = await past.history.sealedEvent(name, throughMs);
  const sealing = own !== undefined && own.position > position ? own : undefined;
  return {
    at: at.windowEnd === "" ? at.recordedAt : at.windowEnd,
    position,
    throughMs,
    unsealed: [],
    state: sealing === undefined ? "idle" : "sealing",
    window: sealing && recordedWindow(sealing),
    basis: null,
  };
}
