/**
 * Does ingest feel it when 100,000 actors seal? Single payloads arrive at a fixed rate whatever the
 * answers do. The p99 of those that arrive within five seconds after a boundary is compared with
 * the p99 of those that arrive in the last seconds before it, in the same window.
 */
import { join } from "node:path";
import { actors, Backlog } from "./support/backlog.ts";
import {
  benchSite,
  generatorPolicy,
  note,
  rounds,
  runBench,
  spawnGenerator,
} from "./support/bench.ts";
import { openSql, reach, visibleMs, windowEnd } from "./support/counted.ts";
import { stolenMs } from "./support/machine.ts";
import { quantileOf } from "./support/numbers.ts";
import { report } from "./support/report.ts";

/**
 * Longer than Linux keeps what was written in memory (`vm.dirty_expire_centisecs`, 30 s): else what
 * one boundary wrote would go to disk during the next.
 */
const windowMs = 60_000;
const rate = Number(Bun.env.BENCH_RATE ?? 5_000);
const connections = Number(Bun.env.BENCH_CONNECTIONS ?? 500);
const count = Number(Bun.env.BENCH_ACTORS ?? 100_000);
/** The seal and what follows it, and the time before it in which nothing else happens, ms. */
const afterMs = 5_000;
const beforeMs = 8_000;
/** Then the payloads of the actors are stored. */
const fillAtMs = 8_000;

interface Arrivals {
  readonly startedMs: number;
  readonly failed: number;
  /** Tenths of a millisecond, one for each payload in the order of arrival. */
  readonly tenths: readonly number[];
}

/** Quantile, ms, of the latencies of what was due between two times, epoch ms. */
function quantileBetween(all: Arrivals, fromMs: number, toMs: number, share: number): number {
  const at = (ms: number) => Math.round(((ms - all.startedMs) / 1_000) * rate);
  const some = all.tenths.slice(at(fromMs), at(toMs)).sort((a, b) => a - b);
  return quantileOf(some, share) / 10;
}

await runBench(async () => {
  const site = await benchSite({ WINDOW: `${windowMs / 1_000}s` });
  const { url, databaseUrl, natsUrl } = await site.start();
  const sql = openSql(databaseUrl);
  await Bun.sleep(windowEnd(Date.now(), windowMs) - Date.now());
  const first = windowEnd(Date.now(), windowMs);
  const seconds = ((rounds + 1) * windowMs) / 1_000;
  const script = join(import.meta.dir, "support", "arrivals.ts");
  const command = [process.execPath, script, url, `${rate}`, `${seconds}`, `${connections}`];
  const child = spawnGenerator(command);
  const output = child.stdout.text();
  const boundaries = Array.from({ length: rounds }, (_, round) => first + round * windowMs);
  const visible: number[] = [];
  const stolen: number[] = [];
  for (const [round, boundary] of boundaries.entries()) {
    await Bun.sleep(boundary - windowMs + fillAtMs - Date.now());
    const backlog = await Backlog.open(natsUrl, 500);
    for (const payload of actors(count, round)) await backlog.add(payload);
    await backlog.flush();
    await backlog.close();
    if (Date.now() > boundary - beforeMs) throw new Error("the payloads took too long to store");
    await Bun.sleep(boundary - Date.now());
    const stolenBefore = stolenMs();
    const whileSealing = Bun.sleep(afterMs).then(() => stolen.push(stolenMs() - stolenBefore));
    const end = await reach("the seal", async () => (await visibleMs(sql)) >= boundary, 50);
    visible.push((end - boundary) / 1_000);
    await whileSealing;
  }
  const all: Arrivals = JSON.parse(await output);
  if (all.failed > 0) throw new Error(`${all.failed} payloads were refused`);
  const usual = boundaries.map((at) => quantileBetween(all, at - beforeMs, at, 0.99));
  const sealing = boundaries.map((at) => quantileBetween(all, at, at + afterMs, 0.99));
  for (const [i, ms] of sealing.entries()) note(`p99 ${ms} ms at a boundary, usually ${usual[i]}`);
  const against = { what: "p99 of the 8 s before it", values: usual };
  const target = { of: "ratio" as const, atMost: 2 };
  const median = (from: number, to: number) =>
    boundaries.map((at) => quantileBetween(all, at + from, at + to, 0.5));
  await report(
    "boundary",
    `What does ingest feel of a boundary at which ${count} actors seal?`,
    [
      { what: "p99 within 5 s after a boundary", unit: "ms", values: sealing, against, target },
      { what: "p50 within 5 s after a boundary", unit: "ms", values: median(0, afterMs) },
      { what: "p50 of the seconds before it", unit: "ms", values: median(-beforeMs, 0) },
      { what: "boundary to rows visible", unit: "s", values: visible },
      { what: "CPU time that the host took in these 5 s", unit: "ms", values: stolen },
    ],
    { rate, connections, generatorPolicy },
  );
  await sql.end();
});
