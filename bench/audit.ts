/**
 * How long do the audit and other rules take over a million events, and how much memory? The events
 * are made by the service itself, from payloads in its streams: one for each actor and window.
 */
import { join } from "node:path";
import { actors, Backlog } from "./support/backlog.ts";
import { benchSite, note, rounds, runBench, spawnChild } from "./support/bench.ts";
import { openSql, reach, type Sql, windowEnd } from "./support/counted.ts";
import { report } from "./support/report.ts";

const windowMs = 5_000;
const actorsAWindow = Number(Bun.env.BENCH_ACTORS ?? 50_000);
const windows = Number(Bun.env.BENCH_WINDOWS ?? 20);
const cli = join(import.meta.dir, "..", "src", "cli", "payloadStats.ts");
const waitMs = 15 * 60_000;

const commands = [["audit"], ["what-if"], ["what-if", "--window", "1s"]];

/** Waits for the tables, since the audit leaves out what is not applied yet. */
async function fill(sql: Sql, natsUrl: string): Promise<void> {
  for (let round = 0; round < windows; round++) {
    await Bun.sleep(windowEnd(Date.now(), windowMs) + 50 - Date.now());
    const backlog = await Backlog.open(natsUrl, 500);
    for (const payload of actors(actorsAWindow, round)) await backlog.add(payload);
    await backlog.flush();
    await backlog.close();
    note(`window ${round + 1} of ${windows}`);
  }
  const all = async () => {
    const [row] = await sql`
      select coalesce(min(applied), 0)::int as applied from (
        select sum(position) as applied from projection_positions
        where build = 'live' group by projection
      ) as positions`;
    return Number(row?.applied) >= actorsAWindow * windows;
  };
  await reach("the events", all, 200, waitMs);
}

interface Run {
  readonly seconds: number;
  /** Of the command line alone: Postgres and NATS work beside it. */
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly output: Record<string, unknown>;
}

async function run(args: readonly string[], env: Record<string, string>): Promise<Run> {
  const began = performance.now();
  const child = spawnChild([process.execPath, cli, ...args, "-o", "json"], env);
  const text = await new Response(child.stdout).text();
  const code = await child.exited;
  const seconds = (performance.now() - began) / 1_000;
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${text.slice(0, 2_000)}`);
  const peakMiB = (child.resourceUsage()?.maxRSS ?? 0) / 2 ** 20;
  const cpuSeconds = Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6;
  note(
    `${args.join(" ")}: ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of CPU, ` +
      `${peakMiB.toFixed(0)} MiB`,
  );
  const output: Record<string, unknown> = JSON.parse(text);
  return { seconds, cpuSeconds, peakMiB, output };
}

/** Whether other rules gave the bytes of today. */
function check(output: Record<string, unknown>): void {
  if (output.agrees === true) return;
  if (output.buckets !== undefined && output.buckets === output.bytesEqual) return;
  throw new Error("the numbers do not agree");
}

await runBench(async () => {
  const site = await benchSite({ WINDOW: "5s" });
  const { databaseUrl, natsUrl } = await site.start();
  const sql = openSql(databaseUrl);
  await fill(sql, natsUrl);
  const env = { DATABASE_URL: databaseUrl, NATS_URL: natsUrl };
  const found = new Map<string, Run[]>(commands.map((args) => [args.join(" "), []]));
  for (let round = 0; round < rounds; round++) {
    for (const args of commands) {
      const one = await run(args, env);
      check(one.output);
      found.get(args.join(" "))?.push(one);
      if (typeof one.output.table !== "string") continue;
      await sql`drop table ${sql(one.output.table)}`;
    }
  }
  await report(
    "audit",
    "How long do the audit and other rules take over a million events?",
    [...found].flatMap(([what, runs]) => [
      { what, unit: "s", values: runs.map(({ seconds }) => seconds) },
      { what: `${what}: CPU`, unit: "s", values: runs.map(({ cpuSeconds }) => cpuSeconds) },
      { what: `${what}: peak memory`, unit: "MiB", values: runs.map(({ peakMiB }) => peakMiB) },
    ]),
    { events: actorsAWindow * windows, partitions: 16 },
  );
  await sql.end();
});
