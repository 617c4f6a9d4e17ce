/** Prints what a benchmark found, as a table, and keeps it as JSON in `bench/results`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describeMachine, type Machine } from "./machine.ts";
import { type Spread, shortNumber, spreadOf } from "./numbers.ts";

export interface Row {
  readonly what: string;
  readonly unit: string;
  /** One value for each round. */
  readonly values: readonly number[];
  /** What it is compared with, one value for each round, taken in turns with `values`. */
  readonly against?: { readonly what: string; readonly values: readonly number[] };
  readonly target?: Target;
}

/** `ratio`: the median of the ratios of the rounds; `figure`: the median itself. */
interface Target {
  readonly of: "ratio" | "figure";
  readonly atLeast?: number;
  readonly atMost?: number;
}

interface Result {
  readonly what: string;
  readonly unit: string;
  readonly figure: Spread;
  readonly against?: { readonly what: string; readonly figure: Spread };
  readonly ratio?: Spread;
  readonly target?: string;
  readonly reached?: boolean;
}

const resultsDir = join(import.meta.dir, "..", "results");
const machine = describeMachine();

/**
 * @param details anything else worth keeping: settings, CPU seconds, the load generator; `curve` is
 *   drawn by `bench/plots.ts`.
 */
export async function report(
  name: string,
  question: string,
  rows: readonly Row[],
  details: Readonly<Record<string, unknown>> = {},
): Promise<readonly Result[]> {
  const results = rows.map(resultOf);
  process.stdout.write(`\n${question}\n${table(results)}\n${footer(machine, details)}\n`);
  mkdirSync(resultsDir, { recursive: true });
  const file = { name, question, machine, results, rounds: rows, details };
  await Bun.write(join(resultsDir, `${name}.json`), `${JSON.stringify(file, undefined, 2)}\n`);
  return results;
}

function resultOf({ what, unit, values, against, target }: Row): Result {
  const figure = spreadOf(values);
  const ratio =
    against && spreadOf(values.map((value, i) => value / (against.values[i] ?? Number.NaN)));
  const measured = target?.of === "ratio" ? ratio?.median : figure.median;
  return {
    what,
    unit,
    figure,
    ...(against && { against: { what: against.what, figure: spreadOf(against.values) } }),
    ...(ratio && { ratio }),
    ...(target && { target: targetText(target), reached: isReached(target, measured) }),
  };
}

function isReached({ atLeast = -Infinity, atMost = Infinity }: Target, value = Number.NaN) {
  return value >= atLeast && value <= atMost;
}

function targetText({ of, atLeast, atMost }: Target): string {
  const bound =
    atLeast === undefined ? `≤ ${shortNumber(atMost ?? 0)}` : `≥ ${shortNumber(atLeast)}`;
  return of === "ratio" ? `${bound} ×` : bound;
}

function table(results: readonly Result[]): string {
  const head = ["what", "figure", "against", "ratio", "target", "reached"];
  const lines = results.map(({ what, unit, figure, against, ratio, target, reached }) => [
    what,
    `${spreadText(figure)} ${unit}`,
    against === undefined ? "" : `${against.what}: ${spreadText(against.figure)}`,
    ratio === undefined ? "" : spreadText(ratio),
    target ?? "",
    reached === undefined ? "" : reached ? "yes" : "NO",
  ]);
  const widths = head.map((_, i) =>
    Math.max(...[head, ...lines].map((line) => line[i]?.length ?? 0)),
  );
  return [head, widths.map((width) => "-".repeat(width)), ...lines]
    .map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`)
    .join("\n");
}

function spreadText({ median, min, max }: Spread): string {
  if (min === max) return shortNumber(median);
  return `${shortNumber(median)} (${shortNumber(min)}–${shortNumber(max)})`;
}

function footer(on: Machine, details: Readonly<Record<string, unknown>>): string {
  return (
    `${on.date}, ${on.cores} cores (${on.cpu}), ${on.memoryGib} GiB, Bun ${on.bun}, ` +
    `load before ${on.loadBefore}\n${JSON.stringify(details)}`
  );
}
