/** The report of a run, as text. */
import type { ChaosOptions, ChaosResult, Done } from "./run.ts";
import type { Seal } from "./seals.ts";

const differencesShown = 50;

export function describeRun(options: ChaosOptions, result: ChaosResult): string {
  const { differences } = result;
  const combined = result.done.filter((one) => one.combined).length;
  const lines = [
    `seed ${options.seed}, window ${options.windowMs} ms, ${options.partitions} partitions, ` +
      `lease ${options.leaseMs} ms, ${Math.round(result.lastedMs / 1_000)} s, ` +
      `${result.requests} requests`,
    "",
    ...Object.entries(result.counts).map(
      ([what, count]) => `${String(count).padStart(9)}  ${what}`,
    ),
    "",
    `${result.done.length} faults, ${combined} of them two at a time:`,
    "",
    ...faultTable(result),
    "",
    `longest time without a newly sealed window: ${longestGapMs(result)} ms`,
    `windows visible after their end, undisturbed and all: ${latenessText(result)}`,
    `processes that ended by themselves: ${endsText(result)}`,
    "",
    differences.length === 0 ? "no difference" : `${differences.length} differences:`,
    ...differences.slice(0, differencesShown),
    ...(differences.length > differencesShown ? ["…"] : []),
  ];
  return lines.join("\n");
}

/** By kind; times of faults that came in pairs are in a row of their own. */
function faultTable(result: ChaosResult): string[] {
  const nameOf = ({ target, action, combined }: Done) =>
    combined ? "two at a time" : `${target}: ${action}`;
  const groups = [...Map.groupBy(result.done, nameOf)].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = groups.map(([name, faults]) => [
    name,
    String(faults.length),
    spread(faults.map((fault) => fault.healedMs - fault.startMs)),
    spread(faults.map((fault) => fault.acknowledgedMs - fault.startMs)),
    spread(faults.map((fault) => nextSealMs(fault, result))),
    spread(faults.map((fault) => lateMs(fault, result))),
  ]);
  const head = ["fault", "times", "whole again", "202 again", "next window seen", "its delay"];
  return markdown([head, head.map(() => "---"), ...rows]);
}

/**
 * From the fault until the first window that ended after it was visible. Undefined when the next
 * fault struck before that: then it says nothing about this one.
 */
function nextSealMs(fault: Done, result: ChaosResult): number | undefined {
  const next = nextSeal(fault, result);
  return next === undefined ? undefined : next.seenMs - fault.startMs;
}

/** How long after its end that window was visible. */
function lateMs(fault: Done, result: ChaosResult): number | undefined {
  const next = nextSeal(fault, result);
  return next === undefined ? undefined : next.seenMs - next.endMs;
}

function nextSeal({ startMs, combined }: Done, { seals, done }: ChaosResult): Seal | undefined {
  const next = seals.find(({ endMs }) => endMs > startMs);
  const disturbed = done.some(
    (other) => other.startMs > startMs && other.startMs < (next?.seenMs ?? 0),
  );
  return disturbed && !combined ? undefined : next;
}

function longestGapMs({ seals }: ChaosResult): number {
  let longest = 0;
  for (const [index, { seenMs }] of seals.entries()) {
    longest = Math.max(longest, seenMs - (seals[index - 1]?.seenMs ?? seenMs));
  }
  return longest;
}

function latenessText({ seals, done }: ChaosResult): string {
  const late = ({ endMs, seenMs }: { endMs: number; seenMs: number }) => seenMs - endMs;
  const calm = seals.filter(({ endMs }) =>
    done.every(({ startMs, healedMs }) => endMs < startMs || endMs > healedMs + 2_000),
  );
  // The first is as late as the watch began.
  return `${spread(calm.slice(1).map(late))} ms, ${spread(seals.slice(1).map(late))} ms`;
}

function endsText({ unexpectedEnds }: ChaosResult): string {
  if (unexpectedEnds.length === 0) return "none";
  return unexpectedEnds.map(({ name, how }) => `${name} (${how})`).join(", ");
}

/** The median and the largest of what was measured. */
function spread(values: readonly (number | undefined)[]): string {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)];
  if (median === undefined) return "-";
  return sorted.length > 1 ? `${median} (max ${sorted.at(-1)})` : String(median);
}

function markdown(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const cell = (text: string, column: number) =>
    text === "---" ? "-".repeat(widths[column] ?? 3) : text.padEnd(widths[column] ?? 0);
  return rows.map((row) => `| ${row.map(cell).join(" | ")} |`);
}
