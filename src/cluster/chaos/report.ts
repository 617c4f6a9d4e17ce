/** The report of a run, as text. */
import type { ChaosOptions, ChaosResult, Done } from "./run.ts";

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
    ...faultTable(options, result),
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
function faultTable(options: ChaosOptions, result: ChaosResult): string[] {
  const nameOf = ({ target, action, combined }: Done) =>
    combined ? "two at a time" : `${target}: ${action}`;
  const groups = [...Map.groupBy(result.done, nameOf)].sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = groups.map(([name, faults]) => [
    name,
    String(faults.length),
    spread(faults.map((fault) => fault.healedMs - fault.startMs)),
    spread(faults.map((fault) => fault.acknowledgedMs - fault.startMs)),
    spread(faults.map((fault) => nextSealMs(fault, result, options.windowMs))),
    spread(faults.map((fault) => lateMs(fault, result))),
  ]);
  const head = ["fault", "times", "whole again", "202 again", "next window seen", "its delay"];
  return markdown([head, head.map(() => "---"), ...rows]);
}

/** From the fault until the first window that ended after it was visible. */
function nextSealMs({ startMs }: Done, { seals }: ChaosResult, windowMs: number): number {
  const next = seals.find(({ endMs }) => endMs > startMs);
  return next === undefined ? windowMs : next.seenMs - startMs;
}

/** How long after its end that window was visible. */
function lateMs({ startMs }: Done, { seals }: ChaosResult): number {
  const next = seals.find(({ endMs }) => endMs > startMs);
  return next === undefined ? 0 : next.seenMs - next.endMs;
}

export function longestGapMs({ seals }: ChaosResult): number {
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

/** The median and the largest. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const largest = sorted.at(-1) ?? 0;
  return sorted.length > 1 ? `${median} (max ${largest})` : String(median);
}

function markdown(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const cell = (text: string, column: number) =>
    text === "---" ? "-".repeat(widths[column] ?? 3) : text.padEnd(widths[column] ?? 0);
  return rows.map((row) => `| ${row.map(cell).join(" | ")} |`);
}
