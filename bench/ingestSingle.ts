/**
 * How many durable `POST /stats` a second, with all roles running, beside a server that only
 * parses and answers, bare Elysia, and a service that writes one row for each payload?
 */
import { join } from "node:path";
import { findFreePort } from "../src/embedded/ports.ts";
import { ensureDatabase, preparePostgres } from "../src/embedded/postgres.ts";
import { Watcher } from "../src/embedded/watcher.ts";
import { temporaryDirectory, testLog } from "../test/support/servers.ts";
import { until } from "../test/support/until.ts";
import { benchSite, note, rounds, runBench, spawnChild } from "./support/bench.ts";
import { generator, type LoadResult, load } from "./support/load.ts";
import { cpuBetween, usageOf } from "./support/processTree.ts";
import { report } from "./support/report.ts";

const connections = Number(Bun.env.BENCH_CONNECTIONS ?? 1_000);
const seconds = Number(Bun.env.BENCH_SECONDS ?? 5);
/** For so long code is still being compiled, in threads that take their share of the cores. */
const warmUpSeconds = Number(Bun.env.BENCH_WARM_UP_SECONDS ?? 20);

interface Contender {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly results: LoadResult[];
  /** Microseconds of CPU a request, by program, for each round. */
  readonly cpu: Record<string, number>[];
}

async function bare(kind: string, name: string, databaseUrl = ""): Promise<Contender> {
  const script = join(import.meta.dir, "support", "bareServer.ts");
  const child = spawnChild([process.execPath, script, kind, databaseUrl]);
  const { value } = await child.stdout.getReader().read();
  const port = Number(new TextDecoder().decode(value));
  return { name, url: `http://127.0.0.1:${port}/stats`, pid: child.pid, results: [], cpu: [] };
}

/** The same roles in two processes: ingest in one, all others in the other. */
async function ingestApart(): Promise<Contender> {
  const site = await benchSite();
  const { url, pid, databaseUrl, natsUrl } = await site.start({ ROLES: "ingest" });
  const urls = { DATABASE_URL: databaseUrl, NATS_URL: natsUrl };
  await site.start({ ...urls, ROLES: "worker,projector,admin" });
  return { name: "ours, two processes", url: `${url}/stats`, pid, results: [], cpu: [] };
}

async function run(contender: Contender): Promise<void> {
  const before = usageOf(contender.pid);
  const result = await load({ url: contender.url, connections, seconds });
  const cpu = cpuBetween(before, usageOf(contender.pid));
  const micros = Object.entries(cpu).map(([name, used]) => [
    name,
    Math.round((used / result.requests) * 1e7) / 10,
  ]);
  contender.results.push(result);
  contender.cpu.push(Object.fromEntries(micros));
  const rate = Math.round(result.rate);
  const cores = result.generatorCores.toFixed(2);
  note(
    `${contender.name}: ${rate}/s, p50 ${result.p50Ms} ms, p99 ${result.p99Ms} ms, failed ` +
      `${result.failed}, generator ${cores} cores, µs a request ${JSON.stringify(contender.cpu.at(-1))}`,
  );
}

/** A Postgres with the settings of the embedded one. Unlike that one, it gives way to nobody. */
async function plainPostgres(): Promise<string> {
  const port = await findFreePort();
  const spec = await preparePostgres(temporaryDirectory(), port);
  // That its clients are cut off at the end is no news.
  const { pid, exited } = spawnChild([...spec.command, "-c", "log_min_messages=panic"]);
  // Ends it when this process dies.
  const watcher = new Watcher(testLog);
  watcher.set(spec.name, { pid, signal: spec.watchSignal });
  void exited.then(() => watcher.set(spec.name, undefined));
  await until(() => spec.ready(pid), { what: "Postgres is ready" });
  await ensureDatabase(spec.url);
  return spec.url;
}

const rates = ({ results }: Contender) => results.map(({ rate }) => rate);

await runBench(async () => {
  const site = await benchSite();
  const { url, pid } = await site.start();
  const ours = { name: "ours, one process", url: `${url}/stats`, pid, results: [], cpu: [] };
  const apart = await ingestApart();
  const bun = await bare("bun", "bare Bun.serve");
  const elysia = await bare("elysia", "bare Elysia");
  const databaseUrl = await plainPostgres();
  const upsert = await bare("upsert", "row upserts", databaseUrl);
  const pipelined = await bare("pipelinedUpsert", "row upserts, pipelined", databaseUrl);
  const contenders = [bun, ours, apart, elysia, upsert, pipelined];
  for (const contender of contenders) {
    await load({ url: contender.url, connections, seconds: warmUpSeconds });
  }
  for (let round = 0; round < rounds; round++) {
    // In another order each time, since what one leaves to be done in the background slows the
    // next.
    const first = round % contenders.length;
    const order = [...contenders.slice(first), ...contenders.slice(0, first)];
    for (const contender of order) await run(contender);
  }
  const row = (one: Contender, other: Contender, target?: number) => ({
    what: `${one.name}, ${connections} connections, against ${other.name}`,
    unit: "requests/s",
    values: rates(one),
    against: { what: other.name, values: rates(other) },
    ...(target !== undefined && { target: { of: "ratio" as const, atLeast: target } }),
  });
  await report(
    "ingestSingle",
    "How many durable single POST /stats a second?",
    [
      row(ours, bun, 0.75),
      row(ours, elysia),
      row(ours, upsert, 6),
      row(ours, pipelined, 6),
      row(apart, bun, 0.75),
      row(apart, upsert, 6),
    ],
    { generator, connections, seconds, warmUpSeconds, contenders },
  );
});
