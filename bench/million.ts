/**
 * One million viewers: 33,334 single `POST /stats` a second from a million tokens over 2,000
 * contents, as they come and not as they are answered, over three windows of a minute. Afterwards
 * every row is compared with what the generator counted itself.
 */
import { join } from "node:path";
import { runProgram, standalone } from "../src/cli/program.ts";
import { benchSite, generatorPolicy, note, runBench, spawnGenerator } from "./support/bench.ts";
import { openSql, reach, type Sql, visibleMs } from "./support/counted.ts";
import { load } from "./support/load.ts";
import { cpuBetween, usageOf } from "./support/processTree.ts";
import { report } from "./support/report.ts";
import type { Unclear } from "./support/viewerAudience.ts";

const windowMs = 60_000;
const rate = Number(Bun.env.BENCH_RATE ?? 33_334);
const seconds = Number(Bun.env.BENCH_SECONDS ?? 180);
const connections = Number(Bun.env.BENCH_CONNECTIONS ?? 4_000);
const tokens = Number(Bun.env.BENCH_TOKENS ?? 1_000_000);
const contents = 2_000;

/** What `viewers.ts` prints. */
interface Summary {
  readonly requests: number;
  readonly failed: number;
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly sentLateP99: number;
  readonly cores: number;
  readonly windows: readonly (readonly [window: number, sums: readonly number[]])[];
  readonly unclear: readonly Unclear[];
}

/** Window, content and sums, in text: what both sides must agree on. */
type Rows = Map<string, string>;

/** Puts the payloads around a boundary where their sequences say they were received. */
async function expectedRows(sql: Sql, summary: Summary): Promise<Rows> {
  const sums = new Map(summary.windows.map(([window, all]) => [window, [...all]]));
  const ends = await sql`
    select partition, extract(epoch from window_end)::bigint * 1000 as end_ms,
      max((data ->> 'lastSequence')::bigint) as last
    from events group by 1, 2`;
  const lastOf = new Map(
    ends.map(({ partition, end_ms, last }) => [
      `${partition} ${Number(end_ms) / windowMs - 1}`,
      Number(last),
    ]),
  );
  for (const [before, partition, sequence, content, payload] of summary.unclear) {
    const last = lastOf.get(`${partition} ${before}`) ?? 0;
    const window = sequence <= last ? before : before + 1;
    const all = sums.get(window) ?? Array.from({ length: contents * 4 }, () => 0);
    sums.set(window, all);
    for (const [i, sum] of payload.entries())
      all[content * 4 + i] = (all[content * 4 + i] ?? 0) + sum;
  }
  const rows: Rows = new Map();
  for (const [window, all] of sums) {
    for (let content = 0; content < contents; content++) {
      const row = all.slice(content * 4, content * 4 + 4);
      if ((row[2] ?? 0) > 0) rows.set(`${window} channel${content}`, row.join(" "));
    }
  }
  return rows;
}

async function countedRows(sql: Sql, firstWindow: number): Promise<Rows> {
  const rows = await sql`
    select extract(epoch from time)::bigint * 1000 as end_ms, content, stats.cdn::text,
      stats.p2p::text, events.data ->> 'payloads' as payloads, sessions.sessions::text
    from stats join sessions using (time, customer, content)
    join events using (customer, content)
    where events.window_end = stats.time
      and time > to_timestamp(${(firstWindow * windowMs) / 1_000}::float8)`;
  return new Map(
    rows.map(({ end_ms, content, cdn, p2p, payloads, sessions }) => [
      `${Number(end_ms) / windowMs - 1} ${content}`,
      `${cdn} ${p2p} ${payloads} ${sessions}`,
    ]),
  );
}

function differences(expected: Rows, counted: Rows): string[] {
  const keys = new Set([...expected.keys(), ...counted.keys()]);
  return [...keys]
    .filter((key) => expected.get(key) !== counted.get(key))
    .map((key) => `${key}: expected ${expected.get(key)}, counted ${counted.get(key)}`);
}

async function runViewers(url: string): Promise<{ summary: Summary; peakBytes: number }> {
  const script = join(import.meta.dir, "support", "viewers.ts");
  const numbers = [rate, seconds, connections, tokens, contents, windowMs].map(String);
  const child = spawnGenerator([process.execPath, script, url, ...numbers]);
  const text = await child.stdout.text();
  if ((await child.exited) !== 0) throw new Error("the viewers ended early");
  const summary: Summary = JSON.parse(text);
  return { summary, peakBytes: child.resourceUsage()?.maxRSS ?? 0 };
}

async function million(): Promise<void> {
  const site = await benchSite({ WINDOW: "1m" });
  const { url, pid, databaseUrl } = await site.start();
  const sql = openSql(databaseUrl);
  // A service that has been running for a while; these payloads are in windows before the first.
  await load({ url: `${url}/stats`, connections: 200, seconds: 8 });
  const before = usageOf(pid);
  const { summary, peakBytes } = await runViewers(url);
  const after = usageOf(pid);
  const boundary = (Math.floor(Date.now() / windowMs) + 1) * windowMs;
  await reach("the last window", async () => (await visibleMs(sql)) >= boundary, 50);
  await sql`analyze`;
  const expected = await expectedRows(sql, summary);
  const first = Math.min(...summary.windows.map(([window]) => window));
  const wrong = differences(expected, await countedRows(sql, first));
  for (const line of wrong.slice(0, 10)) note(line);
  const one = (what: string, unit: string, value: number) => ({ what, unit, values: [value] });
  const memory = [...after].map(([name, { residentBytes }]) => [name, residentBytes]);
  const { windows: _, unclear, ...figures } = summary;
  await report(
    "million",
    "Does it count a million viewers?",
    [
      {
        ...one("arrivals", "requests/s", summary.rate),
        target: { of: "figure", atLeast: rate * 0.99 },
      },
      { ...one("rows that differ", "rows", wrong.length), target: { of: "figure", atMost: 0 } },
      {
        ...one("not answered 202", "requests", summary.failed),
        target: { of: "figure", atMost: 0 },
      },
      one("p50", "ms", summary.p50),
      { ...one("p99", "ms", summary.p99), target: { of: "figure", atMost: 50 } },
      one("p99.9", "ms", summary.p999),
    ],
    {
      ...figures,
      generator: "bench/support/viewers.ts",
      generatorPolicy,
      connections,
      rows: expected.size,
      unclear: unclear.length,
      cpuSeconds: cpuBetween(before, after),
      residentBytes: Object.fromEntries(memory),
      generatorPeakBytes: peakBytes,
    },
  );
  await sql.end();
}

const command = standalone("bun run bench:million")
  .description("Sends what a million viewers send for three minutes, and checks every row.")
  .action(() => runBench(million));

process.exitCode = await runProgram(command, process.argv.slice(2));
