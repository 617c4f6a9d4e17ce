/** How long after a boundary is a row visible when there is hardly any traffic? */
import { actors, Backlog } from "./support/backlog.ts";
import { benchSite, note, runBench } from "./support/bench.ts";
import { openSql, reach, visibleMs, windowEnd } from "./support/counted.ts";
import { quantileOf } from "./support/numbers.ts";
import { report } from "./support/report.ts";

const windowsMeasured = Number(Bun.env.BENCH_WINDOWS ?? 60);
const contents = 20;

async function latencies(windowMs: number): Promise<number[]> {
  const site = await benchSite({ WINDOW: `${windowMs / 1_000}s` });
  const { databaseUrl, natsUrl } = await site.start();
  const sql = openSql(databaseUrl);
  const found: number[] = [];
  await Bun.sleep(3 * windowMs);
  for (let round = 0; round < windowsMeasured; round++) {
    await Bun.sleep(windowEnd(Date.now(), windowMs) + windowMs / 10 - Date.now());
    const boundary = windowEnd(Date.now(), windowMs);
    const backlog = await Backlog.open(natsUrl, 1);
    for (const payload of actors(contents, round)) await backlog.add(payload);
    await backlog.flush();
    await backlog.close();
    await Bun.sleep(boundary - Date.now());
    const end = await reach("the row", async () => (await visibleMs(sql)) >= boundary, 2);
    const [row] = await sql`
      select count(*)::int as rows from stats where time = to_timestamp(${boundary / 1_000}::float8)`;
    if (row?.rows !== contents) throw new Error(`${row?.rows} rows instead of ${contents}`);
    found.push(end - boundary);
  }
  await sql.end();
  await site.clear();
  note(`windows of ${windowMs} ms: ${found.join(" ")}`);
  return found.sort((a, b) => a - b);
}

await runBench(async () => {
  const all = new Map<number, number[]>();
  for (const windowMs of [1_000, 2_000]) all.set(windowMs, await latencies(windowMs));
  const rows = [...all].flatMap(([windowMs, found]) =>
    [0.5, 0.99].map((share) => ({
      what: `boundary to visible row, windows of ${windowMs / 1_000} s, p${share * 100}`,
      unit: "ms",
      values: [quantileOf(found, share)],
      ...(share === 0.99 && { target: { of: "figure" as const, atMost: 500 } }),
    })),
  );
  const details = { windowsMeasured, contents, latenciesMs: Object.fromEntries(all) };
  await report("quietBoundary", "How late is a row after a quiet boundary?", rows, details);
});
