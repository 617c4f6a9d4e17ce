/**
 * What the numbers would be under other rules: the retained messages through the same machine,
 * into a scratch table, beside what `stats` and `sessions` say today.
 */
import type { ReplayBasis } from "../actors/historyPorts.ts";
import type { WhatIfComparison, WhatIfRow, WhatIfStore } from "../actors/whatIfPorts.ts";
import type { DomainEvent } from "../domain/events.ts";
import type { Rules } from "../domain/rules.ts";
import { ceilTo, floorTo } from "../domain/windows.ts";
import { whileDropped } from "./dropped.ts";
import { stretchesOf } from "./memories.ts";
import { planReplay, type ReplayPlan } from "./plan.ts";
import { runReplay } from "./run.ts";
import type { Past } from "./sources.ts";

export interface WhatIfQuery {
  readonly windowMs: number;
  readonly countTokenOnce: boolean;
  readonly sessionMemoryMs: number;
  /** Windows that start at or after this time, epoch ms, and before the other. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  /** Pairs of sums to show at most. */
  readonly limit: number;
}

export interface WhatIfResult {
  readonly table: string;
  readonly rows: number;
  readonly messages: number;
  /** Windows of the scratch table start at or after the one, and end at or before the other. */
  readonly from: string;
  readonly to: string;
  readonly basis: ReplayBasis["kind"];
  /** Today's sessions were counted under several memories of tokens, and not under one. */
  readonly memoryChanged: boolean;
  /** Windows were left out because `stats` or `sessions` does not show them yet. */
  readonly tablesBehind: boolean;
  /** Both sides are added up to buckets of this length, ms. */
  readonly bucketMs: number;
  /** The whole buckets within these times are compared; null when there is none. */
  readonly compared: { readonly from: string; readonly to: string } | null;
  readonly comparison: WhatIfComparison;
}

/** Why there is nothing to run. */
interface NothingToRun {
  readonly reason: string;
}

const rowsAtOnce = 5_000;

export function whatIf(
  past: Past,
  store: WhatIfStore,
  query: WhatIfQuery,
  progress: (partition: number, messages: number) => void = () => {},
): Promise<WhatIfResult | NothingToRun> {
  return whileDropped(past.clock, (lostMs) => runRetained(past, store, query, lostMs, progress));
}

/** @param lostMs so much was dropped while an attempt before ran. */
async function runRetained(
  past: Past,
  store: WhatIfStore,
  query: WhatIfQuery,
  lostMs: number,
  progress: (partition: number, messages: number) => void,
): Promise<WhatIfResult | NothingToRun> {
  const { windowMs, countTokenOnce, sessionMemoryMs } = query;
  const plans = await planWithRoom(past, query.fromMs, lostMs);
  if ("reason" in plans) return plans;
  const askedMs = ceilTo(query.toMs ?? Infinity, windowMs);
  const sealedMs = Math.min(floorTo(plans.sealedThroughMs, windowMs), askedMs);
  // Beside windows that the tables lack, today's numbers would be too small.
  const toMs = Math.min(floorTo(await store.shownThrough(), windowMs), sealedMs);
  const fromMs = ceilTo(Math.max(plans.exactFromMs, query.fromMs ?? 0), windowMs);
  if (fromMs >= sealedMs)
    return { reason: "no whole window of that length is sealed and retained" };
  if (fromMs >= toMs) {
    return { reason: "stats and sessions do not show these windows yet: see projection ls" };
  }
  const rules = {
    windowMs,
    sessionMemoryMs,
    partitions: past.rules.partitions,
    // What is a repeat was decided when it was sent, and does not depend on how we look at it.
    keyWindowMs: past.rules.windowMs,
    countTokenOnce,
  };
  const about = { windowMs, countTokenOnce, sessionMemoryMs, fromMs, toMs };
  const table = await store.create(about);
  const run = new WhatIfRun(past, store, table, rules, { fromMs, toMs }, progress);
  try {
    for (const plan of plans.plans) await run.partition(plan);
    await store.complete(table, about);
  } catch (error) {
    // Half of the rows would look like all of them.
    await store.drop(table).catch(() => {});
    throw error;
  }
  const bucketMs = leastCommonMultiple(windowMs, past.rules.windowMs);
  const range = { bucketMs, fromMs: ceilTo(fromMs, bucketMs), toMs: floorTo(toMs, bucketMs) };
  const memoryChanged = await changedMemory(past, fromMs, toMs);
  const basis = plans.plans.find(({ basis }) => basis.kind !== "whole-stream") ?? plans.plans[0];
  return {
    table,
    rows: run.rows,
    messages: run.messages,
    ...timesOf({ fromMs, toMs }),
    basis: basis?.basis.kind ?? "whole-stream",
    memoryChanged,
    tablesBehind: toMs < sealedMs,
    bucketMs,
    compared: range.fromMs < range.toMs ? timesOf(range) : null,
    comparison: await store.compare(table, range, query.limit),
  };
}

function timesOf({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }) {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}

async function changedMemory(past: Past, fromMs: number, toMs: number): Promise<boolean> {
  const memories = new Set<number>();
  for (let partition = 0; partition < past.rules.partitions; partition++) {
    for (const one of await stretchesOf(past, partition, fromMs, toMs)) {
      memories.add(one.sessionMemoryMs);
    }
  }
  return memories.size > 1;
}

/** The plans of all partitions, and the range in which all of them come out exactly. */
interface Plans {
  readonly plans: readonly ReplayPlan[];
  readonly exactFromMs: number;
  readonly sealedThroughMs: number;
}

/** Every partition waits for its turn, and meanwhile the beginning of its stream is dropped. */
async function planWithRoom(
  past: Past,
  fromMs: number | undefined,
  lostMs: number,
): Promise<Plans | NothingToRun> {
  const plans = await planAll(past, fromMs);
  if (lostMs === 0 || "reason" in plans) return plans;
  const roomMs = 2 * lostMs + past.rules.windowMs;
  const earliestMs = Math.max(plans.exactFromMs, fromMs ?? 0);
  const laterMs = ceilTo(earliestMs + roomMs, past.rules.windowMs);
  const later = await planAll(past, laterMs);
  if ("reason" in later) return later;
  return { ...later, exactFromMs: Math.max(later.exactFromMs, laterMs) };
}

async function planAll(past: Past, fromMs: number | undefined): Promise<Plans | NothingToRun> {
  const plans: ReplayPlan[] = [];
  let exactFromMs = 0;
  let sealedThroughMs = Number.POSITIVE_INFINITY;
  for (let partition = 0; partition < past.rules.partitions; partition++) {
    const place = await past.history.place(partition);
    const plan = await planReplay(past, partition, past.rules, fromMs);
    if ("reason" in plan) return { reason: `partition ${partition}: ${plan.reason}` };
    plans.push(plan);
    exactFromMs = Math.max(exactFromMs, plan.exactFromMs);
    sealedThroughMs = Math.min(sealedThroughMs, place.sealedThroughMs);
  }
  return { plans, exactFromMs, sealedThroughMs };
}

class WhatIfRun {
  rows = 0;
  messages = 0;
  #pending: WhatIfRow[] = [];

  constructor(
    private readonly past: Past,
    private readonly store: WhatIfStore,
    private readonly table: string,
    private readonly rules: Rules,
    private readonly range: { readonly fromMs: number; readonly toMs: number },
    private readonly progress: (partition: number, messages: number) => void,
  ) {}

  async partition(plan: ReplayPlan): Promise<void> {
    const { past, rules, range } = this;
    const { partition } = plan;
    await runReplay(past, {
      plan,
      rules,
      reading: () => {
        if (++this.messages % 100 === 0) this.progress(partition, this.messages);
      },
      sealed: (events) => this.#add(events),
      untilSealedMs: range.toMs,
    });
    await this.#flush();
    this.progress(partition, this.messages);
  }

  async #add(events: readonly DomainEvent[]): Promise<void> {
    const { fromMs, toMs } = this.range;
    for (const { customer, content, data } of events) {
      const { windowStart, windowEnd: time, cdn, p2p, sessions } = data;
      if (Date.parse(windowStart) < fromMs || Date.parse(time) > toMs) continue;
      this.#pending.push({ time, customer, content, cdn, p2p, sessions });
    }
    if (this.#pending.length >= rowsAtOnce) await this.#flush();
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const rows = this.#pending.splice(0, rowsAtOnce);
      await this.store.append(this.table, rows);
      this.rows += rows.length;
    }
  }
}

function leastCommonMultiple(a: number, b: number): number {
  let [large, small] = [a, b];
  while (small !== 0) [large, small] = [small, large % small];
  return (a / large) * b;
}
