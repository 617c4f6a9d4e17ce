/**
 * How long from a boundary until all rows of the window are in `stats` and `sessions`, by the
 * number of actors that seal at it? And where does that time go: until the last commit, until
 * `stats`, until `sessions`, and in CPU of the product and of Postgres.
 */
import { actors, Backlog } from "./support/backlog.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { openSql, reach, type Sql, visibleMs, windowEnd } from "./support/counted.ts";
import { cpuBetween, usageOf } from "./support/processTree.ts";
import { report } from "./support/report.ts";

const windowMs = 20_000;
const counts = (Bun.env.BENCH_ACTORS ?? "1000,3000,10000,30000,100000").split(",").map(Number);

interface Seal {
  /** Seconds after the boundary. */
  readonly committed: number;
  readonly statsVisible: number;
  readonly visible: number;
  /** CPU seconds by name of program, from the boundary until everything was visible. */
  readonly cpu: Readonly<Record<string, number>>;
}

/** Waits for the seal of `count` actors at a boundary, and checks that all rows are there. */
async function watchSeal(sql: Sql, pid: number, boundary: number, count: number): Promise<Seal> {
  const before = usageOf(pid);
  const stats = await reach("stats", async () => (await visibleMs(sql, ["stats"])) >= boundary, 5);
  const all = await reach("sessions", async () => (await visibleMs(sql)) >= boundary, 5);
  const cpu = cpuBetween(before, usageOf(pid));
  const [row] = await sql`
    select
      (select count(*) from stats where time = at)::int as stats,
      (select count(*) from sessions where time = at)::int as sessions,
      (select extract(epoch from max(recorded_at)) from events where window_end = at) as committed
    from to_timestamp(${boundary / 1_000}::float8) as at`;
  const { stats: statsRows, sessions, committed } = row ?? {};
  if (statsRows !== count || sessions !== count) {
    throw new Error(`${statsRows} and ${sessions} rows of ${count}`);
  }
  return {
    committed: Number(committed) - boundary / 1_000,
    statsVisible: (stats - boundary) / 1_000,
    visible: (all - boundary) / 1_000,
    cpu,
  };
}

/** Stores a payload for each actor in the window that has just begun, and waits for its end. */
async function fillWindow(sql: Sql, natsUrl: string, count: number, round: number) {
  await Bun.sleep(windowEnd(Date.now(), windowMs) + 50 - Date.now());
  const boundary = windowEnd(Date.now(), windowMs);
  await reach("the last window", async () => (await visibleMs(sql)) >= boundary - windowMs);
  const backlog = await Backlog.open(natsUrl, 500);
  for (const payload of actors(count, round)) await backlog.add(payload);
  await backlog.flush();
  await backlog.close();
  if (Date.now() > boundary - 1_000) throw new Error("the payloads took too long to store");
  await Bun.sleep(boundary - Date.now());
  return boundary;
}

await runBench(async () => {
  const site = await benchSite({ WINDOW: "20s" });
  const { databaseUrl, natsUrl, pid } = await site.start();
  const sql = openSql(databaseUrl);
  const seals = new Map<number, Seal[]>(counts.map((count) => [count, []]));
  for (let round = 0; round < rounds; round++) {
    for (const count of counts) {
      const boundary = await fillWindow(sql, natsUrl, count, round);
      const seal = await watchSeal(sql, pid, boundary, count);
      seals.get(count)?.push(seal);
      note(`${count} actors: ${JSON.stringify(seal)}`);
    }
  }
  const secondsOf = (count: number) => (seals.get(count) ?? []).map(({ visible }) => visible);
  const rows = counts.map((count) => ({
    what: `${count} actors: boundary to rows visible`,
    unit: "s",
    values: secondsOf(count),
    ...(count === 100_000 && { target: { of: "figure" as const, atMost: 3 } }),
  }));
  await report("seal", "How long until the rows of a window are visible?", rows, {
    seals: Object.fromEntries(seals),
    curve: {
      x: "actors",
      y: "seconds",
      points: counts.map((count) => [count, secondsOf(count)]),
    },
  });
  await sql.end();
});
