/**
 * How fast is a rebuild of `stats`, beside one bare INSERT … SELECT of the same rows into a table
 * with the same indexes? The table is read all the time; a read that fails, or finds rows missing,
 * ends the benchmark.
 */
import { actors, Backlog } from "./support/backlog.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { openSql, reach, type Sql, visibleMs, windowEnd } from "./support/counted.ts";
import { report } from "./support/report.ts";

const windowMs = 20_000;
const windowsOfEvents = Number(Bun.env.BENCH_WINDOWS ?? 2);
const actorsAWindow = Number(Bun.env.BENCH_ACTORS ?? 100_000);

async function makeEvents(sql: Sql, natsUrl: string): Promise<void> {
  for (let round = 0; round < windowsOfEvents; round++) {
    await Bun.sleep(windowEnd(Date.now(), windowMs) + 50 - Date.now());
    const boundary = windowEnd(Date.now(), windowMs);
    const backlog = await Backlog.open(natsUrl, 500);
    for (const payload of actors(actorsAWindow, round)) await backlog.add(payload);
    await backlog.flush();
    await backlog.close();
    await reach("the rows", async () => (await visibleMs(sql)) >= boundary, 50);
  }
}

/** Seconds that one statement takes for the same rows. */
async function bareInsert(sql: Sql): Promise<number> {
  await sql`create table bench_rows (like stats including all)`;
  const start = performance.now();
  await sql`
    insert into bench_rows (time, customer, content, cdn, p2p)
    select window_end, customer, content, (data ->> 'cdn')::bigint, (data ->> 'p2p')::bigint
    from events where type = 'WindowSealed'`;
  const seconds = (performance.now() - start) / 1_000;
  await sql`drop table bench_rows`;
  return seconds;
}

async function rebuild(sql: Sql, adminUrl: string): Promise<number> {
  const start = performance.now();
  const answer = await fetch(`${adminUrl}/admin/projections/stats/rebuild`, { method: "POST" });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  const done = async () => {
    const [row] = await sql`select outcome from rebuilds order by id desc limit 1`;
    if (row?.outcome === null) return false;
    if (row?.outcome !== "swapped") throw new Error(`the rebuild ended as ${row?.outcome}`);
    return true;
  };
  await reach("the rebuild", done, 10);
  return (performance.now() - start) / 1_000;
}

/** Reads without a pause; stops with the longest that a read took, ms. */
function keepReading(sql: Sql, rows: number) {
  let [stopped, longestMs] = [false, 0];
  const running = (async () => {
    while (!stopped) {
      const start = performance.now();
      const [row] = await sql`
        select count(*)::int as rows from stats
        where customer = 'Customer7' and content = 'channel7'`;
      longestMs = Math.max(longestMs, performance.now() - start);
      if (row?.rows !== rows) throw new Error(`a read found ${row?.rows} rows of ${rows}`);
      await Bun.sleep(2);
    }
    return longestMs;
  })();
  return async () => {
    stopped = true;
    return running;
  };
}

await runBench(async () => {
  const site = await benchSite({ WINDOW: "20s" });
  const { databaseUrl, natsUrl, adminUrl } = await site.start();
  const [sql, readers] = [openSql(databaseUrl), openSql(databaseUrl)];
  await makeEvents(sql, natsUrl);
  const rows = windowsOfEvents * actorsAWindow;
  const [ours, bare, longestReadMs]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    bare.push(rows / (await bareInsert(sql)));
    const stopReading = keepReading(readers, windowsOfEvents);
    ours.push(rows / (await rebuild(sql, adminUrl)));
    longestReadMs.push(await stopReading());
    note(`rebuild ${Math.round(ours.at(-1) ?? 0)}/s, bare ${Math.round(bare.at(-1) ?? 0)}/s`);
  }
  const against = { what: "bare INSERT … SELECT", values: bare };
  const target = { of: "ratio" as const, atLeast: 0.5 };
  await report(
    "rebuild",
    "How fast is a rebuild of a projection?",
    [
      { what: "rebuild of stats", unit: "rows/s", values: ours, against, target },
      { what: "longest read meanwhile", unit: "ms", values: longestReadMs },
    ],
    { rows },
  );
  await Promise.all([sql.end(), readers.end()]);
});
