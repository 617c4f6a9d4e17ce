/** Runs benchmarks, one after the other, each in a process of its own, and draws the curves. */
import { join } from "node:path";
import { Argument } from "commander";
import { runProgram, standalone } from "../src/cli/program.ts";

const all = [
  "ingestSingle",
  "ingestBatch",
  "drain",
  "quietBoundary",
  "rebuild",
  "recovery",
  "jetstreamRaw",
  "memory",
  "seal",
  "throughput",
  "boundary",
];
/** They take long, and are run by name only. */
const byName = ["million", "rebuildKilled", "audit"];
const failed: string[] = [];

async function run(name: string): Promise<void> {
  process.stderr.write(`\n== ${name}\n`);
  const child = Bun.spawn([process.execPath, join(import.meta.dir, `${name}.ts`)], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  if ((await child.exited) !== 0) failed.push(name);
}

const command = standalone("bun run bench")
  .description("Runs benchmarks and draws the curves; see bench/README.md.")
  .addArgument(new Argument("[names...]", "those, and not all").choices([...all, ...byName]))
  .action(async (names: string[]) => {
    for (const name of names.length > 0 ? names : all) await run(name);
    await run("plots");
    if (failed.length > 0) throw new Error(`failed: ${failed.join(", ")}`);
  });

process.exitCode = await runProgram(command, process.argv.slice(2));
