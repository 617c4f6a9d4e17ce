/**
 * How fast is a rebuild of a million events, against one bare INSERT … SELECT of the same rows
 * into a table with the same indexes? Payloads arrive meanwhile, and a reader polls every 50 ms.
 * At the end everything is killed twice in the middle of a rebuild.
 */

import { openTestDatabase } from "../test/store/support.ts";
import type { TestProcess, TestSite } from "../test/support/process.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { openSql, reach, type Sql } from "./support/counted.ts";
import { report } from "./support/report.ts";
import { commitSealedEvents } from "./support/sealedEvents.ts";

const windowMs = 60_000;
const contents = Number(Bun.env.BENCH_CONTENTS ?? 2_000);
const windows = Number(Bun.env.BENCH_WINDOWS ?? 500);
const names = ["stats", "sessions", "content_hourly"] as const;
const keys = {
  stats: "time, customer, content",
  sessions: "time, customer, content",
  content_hourly: "hour, customer, content",
};

interface Build {
  readonly outcome: string;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly report: { readonly equal: number; readonly missing: number } & Record<string, number>;
}

interface Projection {
  readonly name: string;
  readonly applied: number;
  readonly events: number;
  readonly rebuild: { readonly applied: number; readonly phase: string } | null;
  readonly lastRebuild: Build | null;
}

async function projection(process: TestProcess, name: string): Promise<Projection> {
  const response = await fetch(`${process.adminUrl}/admin/projections/${name}`);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const body: Projection = JSON.parse(await response.text());
  return body;
}

async function ask(process: TestProcess, name: string): Promise<void> {
  const url = `${process.adminUrl}/admin/projections/${name}/rebuild`;
  const response = await fetch(url, { method: "POST" });
  if (response.status !== 202) throw new Error(`${response.status}: ${await response.text()}`);
}

/** Resolves with the build once it is in place. */
async function swapped(process: TestProcess, name: string): Promise<Build> {
  let last: Build | null = null;
  await reach(`the rebuild of ${name}`, async () => {
    const { rebuild, lastRebuild } = await projection(process, name);
    if (rebuild?.phase === "waiting") throw new Error(`${name} differs from its events`);
    last = rebuild === null ? lastRebuild : null;
    return last !== null;
  });
  const build = (await projection(process, name)).lastRebuild;
  if (build?.outcome !== "swapped") throw new Error(`${name} was not swapped`);
  return build;
}

/** Sends payloads and polls the tables until it is stopped; throws when a reader saw a gap. */
function disturb(process: TestProcess, sql: Sql) {
  let isStopping = false;
  let polls = 0;
  const problems: string[] = [];
  const reader = (async () => {
    let most = 0;
    while (!isStopping) {
      // The first and the last window: they are there, whole, at any time.
      const rows = await sql<{ rows: number }[]>`
        select count(*)::int as rows from stats where time in (
          (select min(time) from stats),
          (select max(window_end) from events where partition = 0 and position <= ${windows})
        )`;
      const found = rows[0]?.rows ?? 0;
      if (found < most || found < contents) problems.push(`${found} rows after ${most}`);
      most = Math.max(most, found);
      polls += 1;
      await Bun.sleep(50);
    }
  })();
  const sender = (async () => {
    for (let i = 0; !isStopping; i++) {
      const payload = {
        token: `t${i}`,
        customer: "meanwhile",
        content: `c${i % 50}`,
        timespan: 30_000,
        p2p: 1,
        cdn: 1,
        sessionDuration: 0,
      };
      await fetch(`${process.url}/stats`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(payload),
      });
      await Bun.sleep(5);
    }
  })();
  return async () => {
    isStopping = true;
    await Promise.all([reader, sender]);
    if (problems.length > 0) throw new Error(`a reader saw ${problems[0]}`);
    return polls;
  };
}

/** Rows per second of the bare statement. */
async function bareInsert(sql: Sql, name: keyof typeof keys): Promise<number> {
  await sql.unsafe(`drop table if exists bare; create table bare (like ${name} including all)`);
  const columns = name === "content_hourly" ? "customer, content, hour, cdn, p2p, sessions" : "*";
  await sql.unsafe("checkpoint");
  const began = performance.now();
  const into = columns === "*" ? "bare" : `bare (${columns})`;
  const { count } = await sql.unsafe(
    `insert into ${into} select ${columns} from ${name} order by ${keys[name]}`,
  );
  const seconds = (performance.now() - began) / 1_000;
  await sql.unsafe("drop table bare");
  note(`${name}: bare insert of ${count} rows in ${seconds.toFixed(1)} s`);
  return seconds;
}

async function killedTwice(site: TestSite, first: TestProcess): Promise<TestProcess> {
  let process = first;
  await ask(process, "stats");
  for (const share of [0.25, 0.6]) {
    await reach("the middle of the rebuild", async () => {
      const { rebuild, events } = await projection(process, "stats");
      return (rebuild?.applied ?? 0) > events * share;
    });
    const { rebuild } = await projection(process, "stats");
    await process.killGroup();
    process = await site.start();
    const after = await projection(process, "stats");
    note(`killed at ${rebuild?.applied} events; went on at ${after.rebuild?.applied}`);
    if ((after.rebuild?.applied ?? 0) < events(rebuild) * 0.9) throw new Error("it began anew");
  }
  const build = await swapped(process, "stats");
  note(`after two kills: ${JSON.stringify(build.report)}`);
  return process;
}

function events(rebuild: Projection["rebuild"]): number {
  return rebuild?.applied ?? 0;
}

async function filledSite(): Promise<{ site: TestSite; process: TestProcess }> {
  const site = await benchSite({ WINDOW: "1m", SESSION_MEMORY: "2m" });
  const empty = await site.start({ ROLES: "ingest" });
  const database = openTestDatabase(empty.databaseUrl);
  const startMs = Math.floor((Date.now() - (windows + 5) * windowMs) / windowMs) * windowMs;
  const began = performance.now();
  const shape = { partitions: 16, contents, windows, windowMs, sessionMemoryMs: 2 * windowMs };
  await commitSealedEvents(database, { ...shape, startMs });
  note(
    `${contents * windows} events made in ${((performance.now() - began) / 1_000).toFixed(0)} s`,
  );
  await database.close();
  await empty.stop();
  return { site, process: await site.start() };
}

await runBench(async () => {
  const { site, process } = await filledSite();
  const sql = openSql(process.databaseUrl);
  await reach("the first builds", async () => {
    const all = await Promise.all(names.map((name) => projection(process, name)));
    return all.every(({ applied, events }) => applied >= events);
  });
  await sql.unsafe("vacuum analyze");
  const seconds = new Map(
    names.map((name) => [name, { own: [], bare: [] } as Record<"own" | "bare", number[]>]),
  );
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      seconds.get(name)?.bare.push(await bareInsert(sql, name));
      const stop = disturb(process, sql);
      const began = performance.now();
      await ask(process, name);
      const build = await swapped(process, name);
      const took = (performance.now() - began) / 1_000;
      const polls = await stop();
      seconds.get(name)?.own.push(took);
      note(
        `${name}: ${build.events} events in ${took.toFixed(1)} s, ${build.eventsPerSecond}/s ` +
          `while applying, ${polls} polls, ${JSON.stringify(build.report)}`,
      );
    }
  }
  await sql.end();
  const last = await killedTwice(site, process);
  const count = contents * windows;
  const perSecond = (values: readonly number[] = []) => values.map((value) => count / value);
  await report(
    "rebuildMillion",
    "How fast is a rebuild, with comparison and swap, while payloads arrive?",
    names.map((name) => ({
      what: `rebuild of ${name}`,
      unit: "events/s",
      values: perSecond(seconds.get(name)?.own),
      against: { what: "bare INSERT … SELECT", values: perSecond(seconds.get(name)?.bare) },
      ...(name !== "content_hourly" && { target: { of: "ratio" as const, atLeast: 0.5 } }),
    })),
    { events: count, partitions: 16 },
  );
  await last.stop();
});
