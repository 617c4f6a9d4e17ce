/** A large event log, and a rebuild of one of its tables while it is read and payloads arrive. */
import { openTestDatabase } from "../../test/store/support.ts";
import type { TestProcess, TestSite } from "../../test/support/process.ts";
import { benchSite } from "./bench.ts";
import type { Sql } from "./counted.ts";
import { commitSealedEvents } from "./sealedEvents.ts";

const windowMs = 60_000;
const contents = 2_000;

/** A log of so many events, as the product itself would have written it. Nothing runs on it. */
export async function filledSite(events: number): Promise<TestSite> {
  const site = await benchSite({ WINDOW: "1m", SESSION_MEMORY: "2m" });
  const empty = await site.start({ ROLES: "ingest" });
  const database = openTestDatabase(empty.databaseUrl);
  const windows = Math.max(1, Math.round(events / contents));
  const startMs = Math.floor((Date.now() - (windows + 5) * windowMs) / windowMs) * windowMs;
  const shape = { partitions: 16, contents, windows, windowMs, sessionMemoryMs: 2 * windowMs };
  await commitSealedEvents(database, { ...shape, startMs });
  await database.close();
  await empty.stop();
  return site;
}

/** Every projection has applied the whole log. */
export async function caughtUp(sql: Sql): Promise<boolean> {
  const [row] = await sql`
    select coalesce(bool_and(own.position >= p.position), false) as all
    from projection_positions own join partitions p using (partition) where build = 'live'`;
  return row?.all === true;
}

export async function askForRebuild({ adminUrl }: TestProcess, name: string): Promise<void> {
  const url = `${adminUrl}/admin/projections/${name}/rebuild`;
  const answer = await fetch(url, { method: "POST" });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
}

/**
 * True when the last rebuild has put its table in place.
 * @throws when it ended in another way.
 */
export async function isSwapped(sql: Sql): Promise<boolean> {
  const [row] = await sql`select outcome from rebuilds order by id desc limit 1`;
  if (row?.outcome === null) return false;
  if (row?.outcome !== "swapped") throw new Error(`the rebuild ended as ${row?.outcome}`);
  return true;
}

/** Sends payloads and reads the oldest rows of a table; stops with the longest read, ms. */
export function disturb({ url }: TestProcess, sql: Sql, name: string) {
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
