/** The load generator of single payloads: wrk where it is installed, else autocannon. */
import { join } from "node:path";
import type { Random } from "../../src/simulator/random.ts";
import { note } from "./bench.ts";

interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
}

const tokens = 20_000;
const contents = 500;

export interface LoadResult {
  /** Answers with a status of 2xx, a second. */
  readonly rate: number;
  readonly requests: number;
  /** Requests that got no answer, or another one. */
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Cores that the generator used: at 1 for each of its threads it is the bottleneck itself. */
  readonly generatorCores: number;
}

export const generator = Bun.which("wrk") === null ? "autocannon" : "wrk";

/** Says so when the generator itself was the bottleneck, since the rate then says little. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const threads = generator === "wrk" ? threadsFor(options) : 1;
  const result = await (generator === "wrk" ? loadWithWrk(options) : loadWithAutocannon(options));
  if (result.generatorCores > 0.9 * threads)
    note(`${generator} was the bottleneck: ${options.url}`);
  return result;
}

function threadsFor({ connections }: LoadOptions): number {
  return connections < 2 ? 1 : 2;
}

async function loadWithWrk(options: LoadOptions): Promise<LoadResult> {
  const { url, connections, seconds } = options;
  const threads = threadsFor(options);
  const script = join(import.meta.dir, "load.lua");
  const command = ["wrk", `-t${threads}`, `-c${connections}`, `-d${seconds}s`, "--timeout", "10s"];
  command.push("-s", script, url, "--", String(Math.ceil(tokens / threads)), String(contents));
  const { text, cores } = await run(command);
  const [last = ""] = text.trim().split("\n").slice(-1);
  const { requests = 0, durationUs = 0, failed = 0, p50 = 0, p99 = 0, p999 = 0 } = numbers(last);
  return {
    rate: ((requests - failed) / durationUs) * 1e6,
    requests,
    failed,
    p50Ms: p50 / 1_000,
    p99Ms: p99 / 1_000,
    p999Ms: p999 / 1_000,
    generatorCores: cores / (durationUs / 1e6),
  };
}

async function loadWithAutocannon(options: LoadOptions): Promise<LoadResult> {
  const { url, connections, seconds } = options;
  const command = [process.execPath, join(import.meta.dir, "autocannon.ts"), url];
  command.push(...[connections, seconds, tokens, contents].map(String));
  const { text, cores } = await run(command);
  const found = numbers(text);
  const { requests = 0, duration = 1, failed = 0, p50 = 0, p99 = 0, p999 = 0 } = found;
  return {
    rate: (requests - failed) / duration,
    requests,
    failed,
    p50Ms: p50,
    p99Ms: p99,
    p999Ms: p999,
    generatorCores: cores / duration,
  };
}

async function run(command: string[]): Promise<{ text: string; cores: number }> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const text = await child.stdout.text();
  if ((await child.exited) !== 0) throw new Error(`${command[0]} failed: ${text}`);
  const { total = 0n } = child.resourceUsage()?.cpuTime ?? {};
  return { text, cores: Number(total) / 1e6 };
}

/** The numbers of a JSON object. */
function numbers(text: string): Partial<Record<string, number>> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new Error("the generator told nothing");
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, Number(one)]));
}

/** The body of a payload, as the script for wrk makes it. */
export function payloadBody(random: Random, contents: number): string {
  const content = Math.floor(contents * random.uniform() ** 2);
  return JSON.stringify({
    token: random.uuid(),
    customer: `Customer${content % 20}`,
    content: `channel${content}`,
    timespan: 30_000,
    p2p: random.below(20_000_000),
    cdn: random.below(20_000_000),
    sessionDuration: 30_000 * random.below(200),
  });
}
