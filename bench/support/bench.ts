/** The frame of a benchmark: a product of its own, taken down again whatever happens. */

import { type TestSite, testSite } from "../../test/support/process.ts";
import { stopServers } from "../../test/support/servers.ts";

/** At least this many rounds are run, so that a spread can be told. */
export const rounds = Number(Bun.env.BENCH_ROUNDS ?? 5);

const sites = new Set<TestSite>();
const children = new Set<Bun.Subprocess>();

/** A data directory and free ports for processes of the product; `env` holds for all of them. */
export async function benchSite(env: Readonly<Record<string, string>> = {}): Promise<TestSite> {
  const site = await testSite(env);
  sites.add(site);
  return site;
}

/** A child process of the benchmark, ended with it. */
export function spawnChild(command: string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn(command, {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  children.add(child);
  return child;
}

/** Runs a benchmark and ends the process, leaving nothing behind. */
export async function runBench(bench: () => Promise<void>): Promise<never> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => void clear().finally(() => process.exit(1)));
  }
  let code = 0;
  try {
    await bench();
  } catch (error) {
    console.error(error);
    code = 1;
  }
  await clear();
  process.exit(code);
}

async function clear(): Promise<void> {
  for (const child of children) child.kill("SIGKILL");
  await Promise.all([...sites].map((site) => site.clear()));
  await stopServers();
}

export function note(text: string): void {
  process.stderr.write(`  ${text}\n`);
}
