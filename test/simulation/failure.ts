import type { Run } from "./simulation.ts";

const violationsShown = 5;

/** What was wrong in a run, and how to do it again. */
export function describeFailure(seed: number, { violations }: Run): string {
  const shown = violations.slice(0, violationsShown);
  const more = violations.length - shown.length;
  return [
    `seed ${seed}:`,
    ...shown.map((violation) => `  ${violation}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    `  again: SIMULATION_SEED=${seed} bun test test/simulation`,
  ].join("\n");
}
