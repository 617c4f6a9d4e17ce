/**
 * How long from a boundary until all rows of the window are in `stats` and `sessions`, by the
 * number of actors that seal at it?
 */
import { actors, Backlog } from "./support/backlog.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { openSql, reach, visibleMs, windowEnd } from "./support/counted.ts";
import { report } from "./support/report.ts";

const windowMs = 20_000;
const counts = (Bun.env.BENCH_ACTORS ?? "1000,3000,10000,30000,100000").split(",").map(Number);

await runBench(async () => {
  const site = await benchSite({ WINDOW: "20s" });
  const { databaseUrl, natsUrl } = await site.start();
  const sql = openSql(databaseUrl);
  const seconds = new Map<number, number[]>(counts.map((count) => [count, []]));
  for (let round = 0; round < rounds; round++) {
    for (const count of counts) {
      await Bun.sleep(windowEnd(Date.now(), windowMs) + 50 - Date.now());
      const boundary = windowEnd(Date.now(), windowMs);
      await reach("the last window", async () => (await visibleMs(sql)) >= boundary - windowMs);
      const backlog = await Backlog.open(natsUrl, 500);
      for (const payload of actors(count, round)) await backlog.add(payload);
      await backlog.flush();
      await backlog.close();
      if (Date.now() > boundary - 1_000) throw new Error("the payloads took too long to store");
      await Bun.sleep(boundary - Date.now());
      const end = await reach("the seal", async () => (await visibleMs(sql)) >= boundary, 5);
      const [row] = await sql`
        select
          (select count(*) from stats where time = at)::int as stats,
          (select count(*) from sessions where time = at)::int as sessions
        from to_timestamp(${boundary / 1_000}::float8) as at`;
      const { stats, sessions } = row ?? {};
      if (stats !== count || sessions !== count) {
        throw new Error(`${stats} and ${sessions} rows of ${count}`);
      }
      seconds.get(count)?.push((end - boundary) / 1_000);
      note(`${count} actors: ${end - boundary} ms`);
    }
  }
  const rows = counts.map((count) => ({
    what: `${count} actors: boundary to rows visible`,
    unit: "s",
    values: seconds.get(count) ?? [],
    ...(count === 100_000 && { target: { of: "figure" as const, atMost: 3 } }),
  }));
  await report("seal", "How long until the rows of a window are visible?", rows, {
    curve: { x: "actors", y: "seconds", points: rows.map(({ values }, i) => [counts[i], values]) },
  });
  await sql.end();
});
