/**
 * Is a rebuild of a million events right when its projector is killed twice in the middle? It has
 * to go on where it was, and every row has to be as before; meanwhile payloads arrive, and a read
 * of the table that finds rows missing ends the run. Exit code 1: something was not so.
 */
import { projections } from "../src/store/projections/registry.ts";
import { note, runBench } from "./support/bench.ts";
import { openSql, reach, type Sql } from "./support/counted.ts";
import { askForRebuild, caughtUp, disturb, filledSite, isSwapped } from "./support/rebuilding.ts";
import { type Row, report } from "./support/report.ts";

const events = Number(Bun.env.BENCH_EVENTS ?? 1_000_000);
/** The shares of the log at which it is killed. */
const killsAt = [0.2, 0.6];

/** How many events the new table holds. */
async function rebuiltEvents(sql: Sql, name: string): Promise<number> {
  const [row] = await sql`
    select coalesce(sum(position), 0)::int as events from projection_positions
    where projection = ${name} and build = 'rebuild'`;
  return row?.events ?? 0;
}

/** Rows of the log that are in one of the two tables only. */
async function differences(sql: Sql, name: string): Promise<number> {
  const [row] = await sql.unsafe(`
    select count(*)::int as rows from (
      (select * from before except select * from ${name})
      union all
      (select * from ${name} where customer <> 'meanwhile' except select * from before)
    ) as different`);
  return row?.rows ?? Number.NaN;
}

await runBench(async () => {
  const site = await filledSite(events);
  const servers = await site.start({ ROLES: "ingest,worker" });
  const { databaseUrl, natsUrl } = servers;
  const env = { DATABASE_URL: databaseUrl, NATS_URL: natsUrl, ROLES: "projector,admin" };
  let projector = await site.start(env);
  const [sql, readers] = [openSql(databaseUrl), openSql(databaseUrl)];
  await reach("the first builds", () => caughtUp(sql));
  const rows: Row[] = [];
  for (const { name } of projections) {
    await sql.unsafe(`create table before as table ${name}`);
    const stop = disturb(servers, readers, name);
    const startMs = performance.now();
    await askForRebuild(projector, name);
    for (const share of killsAt) {
      const isThere = async () => (await rebuiltEvents(sql, name)) >= share * events;
      await reach(`${share} of the rebuild of ${name}`, isThere);
      await projector.killGroup();
      const held = await rebuiltEvents(sql, name);
      if (await isSwapped(sql)) throw new Error(`${name} was rebuilt before it was killed`);
      projector = await site.start(env);
      const since = await rebuiltEvents(sql, name);
      if (since < held) throw new Error(`the rebuild went back from ${held} to ${since} events`);
      note(`${name}: killed with ${held} events in the new table, started again with ${since}`);
    }
    await reach(`the rebuild of ${name}`, () => isSwapped(sql));
    const seconds = (performance.now() - startMs) / 1_000;
    const longestReadMs = await stop();
    const different = await differences(sql, name);
    const [held] = await sql`select count(*)::int as rows from before`;
    await sql`drop table before`;
    const one = (what: string, unit: string, value: number) => ({
      what: `${name}: ${what}`,
      unit,
      values: [value],
    });
    const none = { of: "figure" as const, atMost: 0 };
    rows.push(
      one(`rebuild with ${killsAt.length} kills`, "s", seconds),
      one("rows", "rows", held?.rows ?? 0),
      { ...one("rows that differ", "rows", different), target: none },
      one("longest read meanwhile", "ms", longestReadMs),
    );
  }
  const question = "Is a rebuild right whose projector is killed?";
  const results = await report("rebuildKilled", question, rows, { events });
  if (results.some(({ reached }) => reached === false)) throw new Error("rows differ");
  await Promise.all([sql.end(), readers.end()]);
});
