/**
 * Where a replay of a partition begins, and what its results rest on.
 *
 * What a window's event says depends on its payloads, on the tokens remembered at its start, on the
 * idempotency keys of the two windows before, and on the last numbers of publishers. The events
 * before hold the tokens. Keys and numbers are read from the messages of some windows before the
 * first one that is replayed: the warm-up.
 *
 *   … events: tokens ──────────────────────────▶│
 *         warmUpFromMs ── keys and numbers ───▶ replayFromMs ── events, once more …
 */

import type { HistoryStore, PartitionPlace, ReplayBasis } from "../actors/historyPorts.ts";
import { firstAfter } from "../actors/streamSearch.ts";
import { type Rules, windowsKeyRemembered } from "../domain/rules.ts";
import { ceilTo, floorTo } from "../domain/windows.ts";
import { type Past, readStream } from "./sources.ts";

/** A publisher gives a message up long before; later than this no repeat of one is stored. */
const repeatsMaxMs = 60_000;

export interface ReplayPlan {
  readonly partition: number;
  /** The messages to read; none when `last < from`. */
  readonly fromSequence: number;
  readonly lastSequence: number;
  /** The boundaries at which warm-up and replay begin; undefined: from nothing, at once. */
  readonly start: ReplayStart | undefined;
  /** Windows that start at or after this time come out exactly. */
  readonly exactFromMs: number;
  readonly basis: Exclude<ReplayBasis, NotRetained>;
}

interface ReplayStart {
  readonly warmUpFromMs: number;
  readonly replayFromMs: number;
}

type NotRetained = Extract<ReplayBasis, { kind: "not-retained" }>;

/**
 * How long the warm-up takes at least, ms: a multiple of the window of keys. The numbers come
 * before the keys, since a repeat that is taken for the original would have its key seen too late.
 */
export function warmUpMs({ windowMs, keyWindowMs = windowMs }: Rules): number {
  return ceilTo(windowsKeyRemembered * keyWindowMs + repeatsMaxMs, keyWindowMs);
}

/**
 * Plans to replay the windows that start at or after `fromMs`; all that come out exactly, when it
 * is undefined. Where less is retained than the warm-up needs, `exactFromMs` says so.
 * @param rules of the recorded events; a replay begins at the boundaries of their windows.
 * @param fromEvents it is the events that say which tokens are known, also where every message
 *   before is retained.
 */
export async function planReplay(
  past: Pick<Past, "streams" | "history">,
  partition: number,
  rules: Rules,
  fromMs: number | undefined,
  fromEvents = false,
): Promise<ReplayPlan | NotRetained> {
  const { streams, history } = past;
  const place = await history.place(partition);
  const stream = await readStream(past, partition, place);
  if (stream === undefined) {
    return { kind: "not-retained", reason: "the stream that was read is gone" };
  }
  const { firstSequence, lastSequence } = stream;
  const range = { partition, lastSequence };
  /** The first message after which none is missing. It takes some requests to find. */
  const readableFrom = async () =>
    place.lossAcceptedTime === ""
      ? firstSequence
      : await firstAfter(streams, partition, stream, place.lossAcceptedTime);
  const warmUp = warmUpMs(rules);
  const wantedMs = floorTo(fromMs ?? 0, rules.windowMs);
  const earlyMs = Math.max(0, wantedMs - warmUp);
  const early = await history.lastWindowThrough(partition, earlyMs);
  const isWhole = firstSequence === 1 && !Number.isFinite(place.sequencesFromMs);
  if (isWhole && early === undefined && !fromEvents) {
    const basis = { kind: "whole-stream" as const, fromSequence: 1 };
    return { ...range, fromSequence: 1, start: undefined, exactFromMs: 0, basis };
  }
  const first = isWhole
    ? { startMs: 0, before: 0 }
    : await beginning(history, partition, firstSequence, place, readableFrom);
  const isEarlyEnough = fromMs !== undefined && earlyMs >= first.startMs;
  const warmUpFromMs = isEarlyEnough ? earlyMs : first.startMs;
  // What a window from before an accepted loss says of sequences is not about this stream.
  const earlyBefore = early && early.windowEndMs > place.sequencesFromMs ? early.lastSequence : 0;
  const before = isEarlyEnough ? earlyBefore : first.before;
  const exactFromMs = isEarlyEnough ? wantedMs : warmUpFromMs + warmUp;
  const replayFromMs = fromMs === undefined ? exactFromMs : Math.max(wantedMs, warmUpFromMs);
  const fromSequence = before > 0 ? Math.max(firstSequence, before + 1) : await readableFrom();
  const basis = {
    kind: "warm-up" as const,
    fromSequence,
    from: new Date(warmUpFromMs).toISOString(),
    exactFrom: new Date(exactFromMs).toISOString(),
  };
  return { ...range, fromSequence, start: { warmUpFromMs, replayFromMs }, exactFromMs, basis };
}

/** The plan, when it replays the windows that start then; else why it does not. */
export function holding(plan: ReplayPlan | NotRetained, startMs: number): ReplayPlan | NotRetained {
  if ("reason" in plan || startMs >= (plan.start?.replayFromMs ?? 0)) return plan;
  const reason = "the payloads of the window were dropped, or lie before an accepted loss";
  return { kind: "not-retained", reason };
}

/** The first boundary after which every message is retained, and the last sequence before it. */
async function beginning(
  history: HistoryStore,
  partition: number,
  firstSequence: number,
  place: PartitionPlace,
  readableFrom: () => Promise<number>,
): Promise<{ startMs: number; before: number }> {
  const lostMs = Number.isFinite(place.sequencesFromMs) ? place.sequencesFromMs : 0;
  if (firstSequence === 1) return { startMs: lostMs, before: 0 };
  // A window that reaches the last dropped message may have lost some of its own.
  const cut = await history.windowReaching(partition, firstSequence - 1, lostMs);
  if (cut !== undefined) return { startMs: cut.windowEndMs, before: cut.lastSequence };
  const isBeforeLoss = firstSequence < (await readableFrom());
  return { startMs: isBeforeLoss ? lostMs : Math.max(lostMs, place.sealedThroughMs), before: 0 };
}
