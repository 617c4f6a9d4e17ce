/** The report of a run, for people. */
import { formatDuration } from "../domain/duration.ts";
import { count, milliseconds } from "./progress.ts";
import type { SimulationOptions, SimulationResult } from "./simulation.ts";
import type { Difference } from "./verify.ts";

const differencesShown = 50;

/** True when everything that was acknowledged stands in the tables, and nothing else. */
export function isGood(result: SimulationResult): boolean {
  const { failure, differences, tallies } = result;
  return failure === undefined && differences.length === 0 && tallies.acknowledged > 0;
}

/** The same for programs. */
export function runFields(options: SimulationOptions, result: SimulationResult) {
  const { tallies, failure, ...compared } = result;
  const { sent, acknowledged, refused, unknown, repeats, retries, latencies } = tallies;
  return {
    ...{ seed: options.seed, run: options.runName, window: formatDuration(options.windowMs) },
    ...{ sent, acknowledged, refused, unknown, repeats, retries },
    ...{ p50Ms: latencies.quantile(0.5), p99Ms: latencies.quantile(0.99) },
    ...compared,
    failure: failure ?? null,
    good: isGood(result),
  };
}

export function describeRun(options: SimulationOptions, result: SimulationResult): string {
  const { tallies } = result;
  const p50 = milliseconds(tallies.latencies.quantile(0.5));
  const p99 = milliseconds(tallies.latencies.quantile(0.99));
  return [
    `seed ${options.seed}, customers ${options.runName}-*, windows of ` +
      `${formatDuration(options.windowMs)}`,
    `sent ${count(tallies.sent)} payloads: ${count(tallies.acknowledged)} acknowledged, ` +
      `${count(tallies.refused)} refused, ${count(tallies.unknown)} unknown; ` +
      `${count(tallies.repeats)} sent twice on purpose, ${count(tallies.retries)} retries`,
    `answers: p50 ${p50}, p99 ${p99}`,
    ...describeCheck(result),
  ].join("\n");
}

function describeCheck(result: SimulationResult): string[] {
  const { failure, differences, rows, exactRows, contents, tallies } = result;
  if (failure !== undefined) return [`NOT COMPARED: ${failure}`];
  if (tallies.acknowledged === 0) return ["NOTHING TO COMPARE: no payload was acknowledged"];
  const compared =
    `compared ${count(rows)} windows of ${count(contents)} contents in stats and sessions: ` +
    `${count(exactRows)} exactly, ${count(rows - exactRows)} together with the neighbour that ` +
    "shares payloads sent at the boundary";
  if (differences.length === 0) return [compared, "no difference"];
  const hidden = differences.length - differencesShown;
  return [
    compared,
    `${count(differences.length)} DIFFERENCES`,
    ...table(differences.slice(0, differencesShown)),
    ...(hidden > 0 ? [`… and ${count(hidden)} more`] : []),
  ];
}

function table(differences: readonly Difference[]): string[] {
  const header = ["customer", "content", "from", "to", "column", "expected", "found"];
  const rows = [
    header,
    ...differences.map((one) => [
      one.customer,
      one.content,
      one.from,
      one.to,
      one.column,
      one.expected,
      one.found,
    ]),
  ];
  const widths = header.map((_, column) =>
    rows.reduce((most, row) => Math.max(most, Bun.stringWidth(row[column] ?? "")), 0),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell)))
      .join("  ")
      .trimEnd(),
  );
}
