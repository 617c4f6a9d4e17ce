/**
 * A longer simulation than the tests have time for:
 *
 *   bun test/simulation/run.ts --seeds 100000 [--from 1]
 *
 * Ends with code 1 when a run failed.
 */
import { parseArgs } from "node:util";
import { Coverage } from "./coverage.ts";
import { describeFailure } from "./failure.ts";
import { simulate } from "./simulation.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100000" },
    from: { type: "string", default: "1" },
  },
});
const [seeds, from] = [Number(values.seeds), Number(values.from)];
const coverage = new Coverage();
const startedMs = performance.now();
let failed = 0;
for (let done = 0; done < seeds; done++) {
  const run = simulate(from + done);
  coverage.add(run.coverage);
  if (run.violations.length > 0) {
    failed++;
    console.log(describeFailure(from + done, run));
  }
  if ((done + 1) % 10_000 === 0) console.log(`${done + 1} runs, ${failed} failed`);
}
const seconds = (performance.now() - startedMs) / 1_000;
for (const [what, count] of [...coverage.counts].sort()) console.log(`${count}\t${what}`);
console.log(`${seeds} runs in ${seconds.toFixed(1)} s, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
