/**
 * How fast is a rebuild of each projection, with the comparison and the swap, while payloads
 * arrive and its table is read all the time? It is compared with one bare INSERT … SELECT: the
 * projection's own statement over the whole event log at once, into a table with the same indexes.
 * A read that finds rows missing ends the benchmark. The curve is that of `stats` by events.
 */
import { projections } from "../src/store/projections/registry.ts";
import { openTestDatabase } from "../test/store/support.ts";
import type { TestProcess } from "../test/support/process.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { openSql, reach, type Sql } from "./support/counted.ts";
import { report } from "./support/report.ts";
import { commitSealedEvents } from "./support/sealedEvents.ts";

const windowMs = 60_000;
const contents = 2_000;
const sizes = (Bun.env.BENCH_EVENTS ?? "10000,100000,1000000").split(",").map(Number);

/** The compared statement of each projection. */
const bareStatements = new Map(
  projections.map(({ name, apply, insert = apply }) => [
    name,
    `with batch as (select * from events) ${insert("bare")}`,
  ]),
);

/** Seconds, one of each for every round. */
interface Seconds {
  readonly own: number[];
  readonly bare: number[];
  readonly longestReadMs: number[];
}

/** A log of so many events, as the product itself would have written it, with all tables. */
async function filledSite(events: number): Promise<TestProcess> {
  const site = await benchSite({ WINDOW: "1m", SESSION_MEMORY: "2m" });
  const empty = await site.start({ ROLES: "ingest" });
  const database = openTestDatabase(empty.databaseUrl);
  const windows = Math.max(1, Math.round(events / contents));
  const startMs = Math.floor((Date.now() - (windows + 5) * windowMs) / windowMs) * windowMs;
  const shape = { partitions: 16, contents, windows, windowMs, sessionMemoryMs: 2 * windowMs };
  await commitSealedEvents(database, { ...shape, startMs });
  await database.close();
  await empty.stop();
  return site.start();
}

async function bareInsert(sql: Sql, name: string): Promise<number> {
  await sql.unsafe(`create table bare (like ${name} including all)`);
  const start = performance.now();
  await sql.unsafe(bareStatements.get(name) ?? "");
  const seconds = (performance.now() - start) / 1_000;
  await sql.unsafe("drop table bare");
  return seconds;
}

async function rebuild(sql: Sql, { adminUrl }: TestProcess, name: string): Promise<number> {
  const start = performance.now();
  const url = `${adminUrl}/admin/projections/${name}/rebuild`;
  const answer = await fetch(url, { method: "POST" });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const done = async () => {
    const [row] = await sql`select outcome from rebuilds order by id desc limit 1`;
    if (row?.outcome === null) return false;
    if (row?.outcome !== "swapped") throw new Error(`the rebuild ended as ${row?.outcome}`);
    return true;
  };
  await reach(`the rebuild of ${name}`, done, 10);
  return (performance.now() - start) / 1_000;
}

/** Sends payloads and reads the oldest rows of a table; stops with the longest read, ms. */
function disturb({ url }: TestProcess, sql: Sql, name: string) {
  let [stopped, longestMs, most] = [false, 0, 0];
  const column = name === "content_hourly" ? "hour" : "time";
  const reader = async () => {
    while (!stopped) {
      const start = performance.now();
      const [row] = await sql.unsafe(
        `select count(*)::int as rows from ${name}
         where ${column} = (select min(${column}) from ${name})`,
      );
      longestMs = Math.max(longestMs, performance.now() - start);
      if (row?.rows < most) throw new Error(`a read found ${row?.rows} rows of ${most}`);
      most = row?.rows;
      await Bun.sleep(10);
    }
  };
  const sender = async () => {
    const body = (i: number) =>
      JSON.stringify({
        token: `t${i}`,
        customer: "meanwhile",
        content: `c${i % 50}`,
        timespan: 30_000,
        p2p: 1,
        cdn: 1,
        sessionDuration: 0,
      });
    const headers = { "content-type": "application/json" };
    for (let i = 0; !stopped; i++) {
      await fetch(`${url}/stats`, { method: "POST", headers, body: body(i) });
      await Bun.sleep(5);
    }
  };
  const running = Promise.all([reader(), sender()]);
  return async () => {
    stopped = true;
    await running;
    return longestMs;
  };
}

/** Every projection in turn, the bare statement and the rebuild one after the other. */
async function measure(events: number): Promise<Map<string, Seconds>> {
  const process = await filledSite(events);
  const [sql, readers] = [openSql(process.databaseUrl), openSql(process.databaseUrl)];
  const caughtUp = async () => {
    const [row] = await sql`
      select coalesce(bool_and(own.position >= p.position), false) as all
      from projection_positions own join partitions p using (partition) where build = 'live'`;
    return row?.all === true;
  };
  await reach("the first builds", caughtUp);
  await sql.unsafe("vacuum analyze");
  const found = new Map<string, Seconds>();
  for (let round = 0; round < rounds; round++) {
    for (const { name } of projections) {
      const seconds = found.get(name) ?? { own: [], bare: [], longestReadMs: [] };
      found.set(name, seconds);
      seconds.bare.push(await bareInsert(sql, name));
      const stop = disturb(process, readers, name);
      seconds.own.push(await rebuild(sql, process, name));
      seconds.longestReadMs.push(await stop());
      const [own, bare] = [seconds.own.at(-1), seconds.bare.at(-1)];
      note(`${events} events, ${name}: ${own?.toFixed(2)} s, bare ${bare?.toFixed(2)} s`);
    }
  }
  await Promise.all([sql.end(), readers.end()]);
  await process.stop();
  return found;
}

await runBench(async () => {
  const bySize = new Map<number, Map<string, Seconds>>();
  for (const events of sizes) bySize.set(events, await measure(events));
  const largest = Math.max(...sizes);
  const rows = [...(bySize.get(largest) ?? [])].flatMap(([name, { own, bare, longestReadMs }]) => {
    const rates = (all: readonly number[]) => all.map((seconds) => largest / seconds);
    const against = { what: "one INSERT … SELECT", values: rates(bare) };
    const target = { of: "ratio" as const, atLeast: 0.5 };
    return [
      { what: `rebuild of ${name}`, unit: "events/s", values: rates(own), against, target },
      { what: `longest read of ${name} meanwhile`, unit: "ms", values: longestReadMs },
    ];
  });
  const points = sizes.map((events) => [events, bySize.get(events)?.get("stats")?.own ?? []]);
  await report("rebuild", "How fast is a rebuild of a projection?", rows, {
    events: largest,
    bare: Object.fromEntries(bareStatements),
    curve: { x: "events", y: "seconds", points },
  });
});
