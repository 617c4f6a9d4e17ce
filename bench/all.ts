/**
 * Runs every benchmark, one after the other, each in a process of its own, and draws the curves.
 * `bun bench/all.ts drain seal` runs only those. The million viewers take four minutes and are
 * started by name: `bun run bench:million`.
 */
import { join } from "node:path";

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
const chosen = process.argv.slice(2);
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

for (const name of chosen.length > 0 ? chosen : all) await run(name);
await run("plots");
if (failed.length > 0) process.stderr.write(`\nfailed: ${failed.join(", ")}\n`);
process.exit(failed.length > 0 ? 1 : 0);
