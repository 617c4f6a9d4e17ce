/**
 * Under which memory of tokens windows were counted. SESSION_MEMORY may change while the log grows:
 * a replay counts each stretch of windows with the memory that it was counted with then.
 *
 * An owner with another memory goes on in the midst of a window, from a checkpoint that is not
 * kept. What that window says of sessions and tokens can therefore not be made again; its bytes and
 * payloads can. From its end on all can, out of what the events until then say of tokens: how often
 * they say it depends on the memory, so the payloads before would say more than was known then.
 */
import type { MemorySpan } from "../actors/historyPorts.ts";
import type { Rules } from "../domain/rules.ts";
import { warmUpMs } from "./plan.ts";
import type { Past } from "./sources.ts";

/** Windows that can be counted with one memory. */
export interface Stretch {
  readonly sessionMemoryMs: number;
  /** They start at or after the one time, and end at or before the other. */
  readonly fromMs: number;
  readonly throughMs: number;
  /** The end of the window in which the memory changed to that of the next stretch. */
  readonly mixedEndMs: number | undefined;
}

type Source = Pick<Past, "history" | "rules">;

/** The stretches of some windows, in order and without gaps. */
export async function stretchesOf(
  { history, rules }: Source,
  partition: number,
  fromMs: number,
  throughMs: number,
): Promise<readonly Stretch[]> {
  const [before, spans] = await Promise.all([
    history.memoryThrough(partition, fromMs),
    history.memorySpans(partition, fromMs, throughMs),
  ]);
  const first = before === undefined ? [] : [{ ...before, firstEndMs: fromMs }];
  const known = changesIn([...first, ...spans], rules);
  if (known.length === 0) known.push({ firstEndMs: fromMs, ...rules });
  return known.flatMap(({ sessionMemoryMs, firstEndMs }, at) => {
    const mixedEndMs = known[at + 1]?.firstEndMs;
    const stretch = {
      sessionMemoryMs,
      fromMs: at === 0 ? fromMs : firstEndMs,
      throughMs: mixedEndMs ?? throughMs,
      mixedEndMs,
    };
    return stretch.fromMs < stretch.throughMs ? [stretch] : [];
  });
}

interface WindowRules {
  readonly rules: Rules;
  /** The memory changed within the window. */
  readonly isMixed: boolean;
  /** Not long before the window it was another: only the events say what was known then. */
  readonly isNew: boolean;
}

/** The rules that one window was counted by. */
export async function rulesOfWindow(
  { history, rules: now }: Source,
  partition: number,
  windowEndMs: number,
): Promise<WindowRules> {
  const startMs = windowEndMs - now.windowMs;
  const [before, own] = await Promise.all([
    history.memoryThrough(partition, startMs),
    history.memoryThrough(partition, windowEndMs),
  ]);
  // A window that is open, or that has no event, is counted by the rules of now.
  const noted = own?.windowEndMs === windowEndMs ? own.sessionMemoryMs : undefined;
  const sessionMemoryMs = noted ?? now.sessionMemoryMs;
  const beforeMs = before && (before.sessionMemoryMs ?? now.sessionMemoryMs);
  return {
    rules: { ...now, sessionMemoryMs },
    isMixed: beforeMs !== undefined && beforeMs !== sessionMemoryMs,
    isNew: await isNewMemory({ history, rules: now }, partition, startMs, sessionMemoryMs),
  };
}

/**
 * True when windows not long before a time were counted with another memory than those after it. A
 * replay of the whole stream would then start with windows that it cannot make again.
 */
export async function isNewMemory(
  { history, rules }: Source,
  partition: number,
  timeMs: number,
  sessionMemoryMs: number,
): Promise<boolean> {
  const longBeforeMs = timeMs - warmUpMs(rules) - rules.windowMs;
  const spans = await history.memorySpans(partition, longBeforeMs, timeMs);
  return changesIn(spans, rules).some((span) => span.sessionMemoryMs !== sessionMemoryMs);
}

/** True for what the event of a window in which the memory changed may say otherwise. */
export function dependsOnMemory({ field }: { readonly field: string }): boolean {
  return field === "sessions" || field === "tokens";
}

/** Spans whose memory is another than that of the one before. */
function changesIn(spans: readonly MemorySpan[], { sessionMemoryMs: assumedMs }: Rules) {
  const known = spans.map(({ firstEndMs, sessionMemoryMs = assumedMs }) => ({
    firstEndMs,
    sessionMemoryMs,
  }));
  return known.filter(
    ({ sessionMemoryMs }, at) => at === 0 || known[at - 1]?.sessionMemoryMs !== sessionMemoryMs,
  );
}
