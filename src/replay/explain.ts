/** From a row of `stats` and `sessions` back to its event and its payloads, added up again. */
import type {
  Difference,
  ExplainQuery,
  Explanation,
  TableRows,
  TracedPayload,
} from "../actors/historyPorts.ts";
import type { OpenWindowView, RecordedEvent } from "../actors/readPorts.ts";
import { partitionOf } from "../domain/digest.ts";
import { formatDuration } from "../domain/duration.ts";
import type { DomainEvent } from "../domain/events.ts";
import { windowIndexOf } from "../domain/windows.ts";
import { rulesOfWindow } from "./memories.ts";
import { holding, planReplay } from "./plan.ts";
import { runReplay } from "./run.ts";
import type { Past } from "./sources.ts";
import { PayloadTrace } from "./trace.ts";
import { eventDifferences, openWindow, recordedWindow, sealedWindow } from "./views.ts";

/** What a replay of the window gave. */
interface Replayed {
  readonly basis: Explanation["basis"];
  readonly event: DomainEvent | undefined;
  readonly window: OpenWindowView | undefined;
  readonly payloads: readonly TracedPayload[];
  readonly total: number;
}

/** Undefined when there is no row, no event and no payload that counts in that window. */
export async function explain(past: Past, query: ExplainQuery): Promise<Explanation | undefined> {
  const { customer, content, windowEndMs } = query;
  const { windowMs } = past.rules;
  const partition = partitionOf(customer, content, past.rules.partitions);
  // The row before the event: what a projection has applied by then is in the log after.
  const rows = await past.history.rows(query, windowEndMs, partition);
  const event = await past.history.sealedEvent(query, windowEndMs);
  const { rules, isMixed, isNew } = await rulesOfWindow(past, partition, windowEndMs);
  const replayed = await replayWindow({ ...past, rules }, query, partition, isNew);
  const hasRow = [rows.cdn, rows.p2p, rows.sessions].some((value) => value !== undefined);
  if (event === undefined && !hasRow && replayed.window === undefined) return undefined;
  const compared = compare(event, rows, replayed, isMixed);
  const recordedMs = event && Date.parse(event.recordedAt);
  return {
    customer,
    content,
    time: new Date(windowEndMs).toISOString(),
    windowStart: new Date(windowEndMs - windowMs).toISOString(),
    windowEnd: new Date(windowEndMs).toISOString(),
    partition,
    state: event !== undefined ? "sealed" : hasRow ? "unexplained" : "open",
    row: { cdn: text(rows.cdn), p2p: text(rows.p2p), sessions: text(rows.sessions) },
    event,
    sealedAfterMs: recordedMs && recordedMs - windowEndMs,
    basis: replayed.basis,
    sessionMemory: isMixed ? null : formatDuration(rules.sessionMemoryMs),
    replayed: replayed.window,
    agrees: compared.differences.length === 0,
    ...compared,
    payloads: replayed.payloads,
    payloadsTotal: replayed.total,
  };
}

async function replayWindow(
  past: Past,
  query: ExplainQuery,
  partition: number,
  fromEvents: boolean,
): Promise<Replayed> {
  const { rules } = past;
  const startMs = query.windowEndMs - rules.windowMs;
  const plan = holding(await planReplay(past, partition, rules, startMs, fromEvents), startMs);
  if ("reason" in plan) {
    return { basis: plan, event: undefined, window: undefined, payloads: [], total: 0 };
  }
  const windowIndex = windowIndexOf(startMs, rules.windowMs);
  const trace = new PayloadTrace({ ...query, partition, windowIndex });
  let event: DomainEvent | undefined;
  const after = await runReplay(past, {
    plan,
    rules,
    actor: query,
    reading: (message) => trace.reading(message),
    observer: trace,
    sealed: (events) => {
      event ??= events.find((one) => isOf(one, query));
    },
    untilSealedMs: query.windowEndMs,
  });
  const actor = after.actors.find(query.customer, query.content);
  const open = openWindow(actor, windowIndex, rules.windowMs);
  const window = event === undefined ? open : sealedWindow(event);
  return { basis: plan.basis, event, window, payloads: trace.payloads, total: trace.total };
}

function isOf({ customer, content, data }: DomainEvent, query: ExplainQuery): boolean {
  const endMs = Date.parse(data.windowEnd);
  return customer === query.customer && content === query.content && endMs === query.windowEndMs;
}

/**
 * The event with the replay, and the rows with the event; whatever of them there is.
 * @param isMixed the memory of tokens changed within the window.
 */
function compare(
  event: RecordedEvent | undefined,
  rows: TableRows,
  { event: replayed }: Replayed,
  isMixed: boolean,
): Pick<Explanation, "compared" | "differences"> {
  const compared: Difference["what"][] = [];
  const differences: Difference[] = [];
  if (event !== undefined && replayed !== undefined) {
    compared.push("event");
    differences.push(...eventDifferences(event, replayed, isMixed));
  }
  const window = event && recordedWindow(event);
  for (const what of ["stats", "sessions"] as const) {
    const position = what === "stats" ? rows.statsPosition : rows.sessionsPosition;
    const fields = what === "stats" ? (["cdn", "p2p"] as const) : (["sessions"] as const);
    const missing = fields.every((field) => rows[field] === undefined);
    // A row that its projection has not come to yet is not missing.
    if (missing && (event === undefined || event.position > position)) continue;
    compared.push(what);
    for (const field of fields) {
      const recorded = text(rows[field]);
      const expected = window === undefined ? null : String(window[field]);
      if (recorded !== expected) differences.push({ what, field, recorded, expected });
    }
  }
  return { compared, differences };
}

function text(value: bigint | undefined): string | null {
  return value === undefined ? null : value.toString();
}
