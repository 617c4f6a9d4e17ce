/** A longer simulation than the tests have time for. */
import { runProgram, standalone } from "../../src/cli/program.ts";
import { count, ordinal } from "../../src/cli/verb.ts";
import { Coverage } from "./coverage.ts";
import { describeFailure } from "./failure.ts";
import { simulate } from "./simulation.ts";

const command = standalone("bun run simulation")
  .description("Runs the simulation once a seed; exit code 1 when a run failed.")
  .option("--seeds <n>", "how many", ordinal, 100_000)
  .option("--from <n>", "the first of them", count, 1)
  .action(run);

function run({ seeds, from }: { readonly seeds: number; readonly from: number }): void {
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
  for (const [what, times] of [...coverage.counts].sort()) console.log(`${times}\t${what}`);
  console.log(`${seeds} runs in ${seconds.toFixed(1)} s`);
  if (failed > 0) throw new Error(`${failed} of ${seeds} runs failed`);
}

process.exitCode = await runProgram(command, process.argv.slice(2));
