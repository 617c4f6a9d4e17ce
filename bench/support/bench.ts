/** The frame of a benchmark: a product of its own, taken down again whatever happens. */

import { type TestSite, testSite } from "../../test/support/process.ts";
import { stopServers, temporaryDirectory } from "../../test/support/servers.ts";

/** At least this many rounds are run, so that a spread can be told. */
export const rounds = Number(Bun.env.BENCH_ROUNDS ?? 5);

const sites = new Set<TestSite>();
const children = new Set<Bun.Subprocess>();

/** A data directory and free ports for processes of the product; `env` holds for all of them. */
export async function benchSite(env: Readonly<Record<string, string>> = {}): Promise<TestSite> {
  const site = await testSite(env, temporaryDirectory());
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

const realTime = ["chrt", "-f", "1"];
/**
 * How load generators run that measure from the time a request is due. They stand for devices on
 * other hosts, so what works here must not delay what they send: where it is allowed, they run
 * under SCHED_FIFO (sched(7)). An ordinary process that shares a core with the receiver is
 * interrupted by it after every send, and may be tenths of a second late.
 */
export const generatorPolicy =
  Bun.which("chrt") !== null && Bun.spawnSync([...realTime, "true"]).success ? "FIFO" : "ordinary";

/** A load generator as a child process: see `generatorPolicy`. */
export function spawnGenerator(command: string[]) {
  return spawnChild(generatorPolicy === "FIFO" ? [...realTime, ...command] : command);
}

/**
 * Runs a benchmark and ends the process, leaving nothing behind: with 1 when it throws, or gives
 * false, having said why.
 */
export async function runBench(bench: () => Promise<unknown>): Promise<never> {
  let cleared: Promise<void> | undefined;
  const clearOnce = () => {
    cleared ??= clear();
    return cleared;
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => void clearOnce().finally(() => process.exit(1)));
  }
  let code = 0;
  try {
    if ((await bench()) === false) code = 1;
  } catch (error) {
    // What it threw because everything was ended interests nobody.
    if (cleared === undefined) console.error(error);
    code = 1;
  }
  await clearOnce();
  process.exit(code);
}

async function clear(): Promise<void> {
  await Promise.all([...[...children].map(end), ...[...sites].map((site) => site.clear())]);
  await stopServers();
}

async function end(child: Bun.Subprocess): Promise<void> {
  child.kill("SIGINT");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await child.exited;
  clearTimeout(timer);
}

export function note(text: string): void {
  process.stderr.write(`  ${text}\n`);
}
