import { expect, test } from "bun:test";
import postgres from "postgres";
import { PostgresAdminQueries } from "../../src/store/adminQueries.ts";
import { PostgresProjectionControl } from "../../src/store/projectionControl.ts";
import { holdProjection } from "../../src/store/projectionState.ts";
import { stats } from "../../src/store/projections/stats.ts";
import { PostgresStatsQueries } from "../../src/store/queries.ts";
import { Rebuilder } from "../../src/store/rebuild.ts";
import { testLog } from "../support/servers.ts";
import { until } from "../support/until.ts";
import {
  firstEndMs,
  freshStore,
  type TestStore,
  tableText,
  Writer,
  windowMs,
  windowOf,
} from "./support.ts";

const eventsMax = 50;

async function fill(store: TestStore, writers: readonly Writer[], windows: number, from = 0) {
  for (let window = from; window < from + windows; window += 1) {
    await Promise.all(
      writers.map((writer) =>
        writer.commit(windowOf(writer.partition, 40, firstEndMs + window * windowMs)),
      ),
    );
  }
  return store;
}

function writersOf(store: TestStore, count = 4): Writer[] {
  return Array.from({ length: count }, (_, partition) => new Writer(store.partitions, partition));
}

async function rebuilt(store: TestStore): Promise<void> {
  const admin = new PostgresAdminQueries(store.database);
  await until(async () => (await admin.projections()).every(({ rebuild }) => rebuild === null), {
    what: "the rebuild is done",
    timeoutMs: 60_000,
  });
}

function indexNames(store: TestStore, table: string) {
  return store.database.run(
    (sql) => sql`
      select indexname, indexdef from pg_indexes where tablename = ${table} order by indexname
    `,
  );
}

test("a rebuild makes good what was changed by hand, in an identical table", async () => {
  await using store = await freshStore(4);
  store.project({ batchEventsMax: eventsMax });
  await fill(store, writersOf(store), 5);
  await store.projected();
  const before = await tableText(store.database, "stats");
  const indexes = await indexNames(store, "stats");
  await store.database.run((sql) => sql`update stats set cdn = 0 where content like '%-7'`);
  await store.database.run((sql) => sql`delete from stats where content like '%-8'`);
  expect(await tableText(store.database, "stats")).not.toBe(before);

  const control = new PostgresProjectionControl(store.database);
  expect(await control.rebuild("stats", { acceptDifferences: true })).toBe("accepted");
  await rebuilt(store);
  expect(await tableText(store.database, "stats")).toBe(before);
  expect([...(await indexNames(store, "stats"))]).toEqual([...indexes]);
  expect(await indexNames(store, "stats_rebuild")).toHaveLength(0);

  // And once more, since the first one must leave everything as it was.
  expect(await control.rebuild("stats")).toBe("accepted");
  await rebuilt(store);
  expect(await tableText(store.database, "stats")).toBe(before);
});

test("a second rebuild of the same projection is a conflict", async () => {
  await using store = await freshStore(1);
  const control = new PostgresProjectionControl(store.database);
  expect(await control.rebuild("nonsense")).toBe("unknown");
  expect(await control.rebuild("stats")).toBe("accepted");
  expect(await control.rebuild("stats")).toBe("conflict");
  expect(await control.rebuild("sessions")).toBe("accepted");
  store.project();
  await rebuilt(store);
  expect(await control.rebuild("stats")).toBe("accepted");
});

test("a projector that was paused ends no other build than the one it had", async () => {
  await using store = await freshStore(1);
  const control = new PostgresProjectionControl(store.database);
  const rebuilder = new Rebuilder(store.database, stats, { batchEventsMax: 10, log: testLog });
  const next = async () => {
    const held = await holdProjection(store.database, stats, "projector", 60_000);
    if (held?.rebuild === undefined || held.rebuild === null) throw new Error("there is no build");
    return held.rebuild;
  };
  expect(await control.rebuild("stats", { verify: true })).toBe("accepted");
  let verifying = await next();
  while (verifying.differences === null) {
    await rebuilder.turn(verifying);
    verifying = await next();
  }
  await rebuilder.turn(verifying);
  expect(await control.rebuild("stats")).toBe("accepted");
  await rebuilder.turn(verifying);
  await rebuilder.turn({ ...verifying, cancelled: true });
  expect(await next()).toMatchObject({ kind: "rebuild", prepared: false });
});

/** Polls the table all the time, and keeps what was wrong with what it saw. */
class Reader {
  readonly problems: string[] = [];
  polls = 0;
  #isStopping = false;
  readonly #running: Promise<void>;

  /** @param count returns how many rows the table has. */
  constructor(count: () => Promise<number>) {
    this.#running = this.#run(count);
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** Rows are only ever added, so a count that falls has seen a table that is not complete. */
  async #run(count: () => Promise<number>): Promise<void> {
    let most = 0;
    while (!this.#isStopping) {
      try {
        const rows = await count();
        this.polls += 1;
        if (rows < most) this.problems.push(`${rows} rows after ${most}`);
        most = Math.max(most, rows);
      } catch (error) {
        this.problems.push(String(error));
      }
    }
  }
}

async function countIn(sql: postgres.Sql, table: string): Promise<number> {
  const [row] = await sql`select count(*)::int as rows from ${sql(table)}`;
  return row?.rows;
}

test("readers see no gap while payloads arrive and the tables are rebuilt", async () => {
  await using store = await freshStore(4);
  store.project({ batchEventsMax: 500, pollMs: 10 });
  const writers = writersOf(store);
  await fill(store, writers, 10);
  await store.projected();

  const queries = new PostgresStatsQueries(store.connect(3), windowMs);
  const all = { bucketMs: windowMs, order: "desc" as const, limit: 100_000 };
  const own = Array.from({ length: 2 }, () => postgres(store.url, { max: 1 }));
  const readers = [
    ...own.map((sql) => new Reader(() => countIn(sql, "stats"))),
    ...own.slice(1).map((sql) => new Reader(() => countIn(sql, "sessions"))),
    new Reader(async () => (await queries.stats(all)).rows.length),
    new Reader(async () => (await queries.sessions(all)).rows.length),
  ];

  const control = new PostgresProjectionControl(store.database);
  let window = 10;
  for (let round = 0; round < 5; round += 1) {
    for (const name of ["stats", "sessions"]) expect(await control.rebuild(name)).toBe("accepted");
    await Promise.all([rebuilt(store), fill(store, writers, 8, window)]);
    window += 8;
  }
  await store.projected();
  for (const reader of readers) await reader.stop();
  for (const sql of own) await sql.end();

  expect(readers.flatMap(({ problems }) => problems)).toEqual([]);
  for (const reader of readers) expect(reader.polls).toBeGreaterThan(10);
  const { rows } = await queries.stats(all);
  expect(rows).toHaveLength(window * 4 * 40);
  const live = await tableText(store.database, "stats");
  expect(await control.rebuild("stats")).toBe("accepted");
  await rebuilt(store);
  expect(await tableText(store.database, "stats")).toBe(live);
}, 120_000);

test("a rebuild that was stopped anywhere goes on where it was", async () => {
  await using store = await freshStore(4);
  const writers = writersOf(store);
  const first = store.project({ workerId: "first" });
  await fill(store, writers, 10);
  await store.projected();
  await first.stop();
  const before = await tableText(store.database, "stats");
  const control = new PostgresProjectionControl(store.database);
  const admin = new PostgresAdminQueries(store.database);
  await control.rebuild("stats");

  const progress = async () => {
    const stats = (await admin.projections()).find(({ name }) => name === "stats");
    return stats?.rebuild?.applied ?? Number.POSITIVE_INFINITY;
  };
  let applied = 0;
  let stops = 0;
  while (Number.isFinite(applied)) {
    stops += 1;
    const projector = store.project({ workerId: `projector-${stops}`, batchEventsMax: 120 });
    const target = applied;
    const isOn = async () => (await progress()) > target;
    await until(isOn, { what: "the rebuild goes on", intervalMs: 2 });
    // Cuts the connections, as kill -9 would, and then stops it for good.
    await store.database.run(
      (sql) => sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = ${`projector-${stops}`}
      `,
    );
    await projector.stop();
    const now = await progress();
    expect(now).toBeGreaterThan(applied);
    applied = now;
  }
  expect(stops).toBeGreaterThan(2);
  expect(await tableText(store.database, "stats")).toBe(before);
}, 60_000);

test("a reader in a long transaction holds up the swap, not other readers", async () => {
  await using store = await freshStore(1);
  await fill(store, writersOf(store, 1), 2);
  store.project({ pollMs: 10 });
  await store.projected();
  const long = postgres(store.url, { max: 1 });
  await long`begin`.simple();
  await long`select count(*) from stats`;
  await new PostgresProjectionControl(store.database).rebuild("stats");

  const admin = new PostgresAdminQueries(store.database);
  const rebuild = async () =>
    (await admin.projections()).find(({ name }) => name === "stats")?.rebuild;
  await until(async () => (await rebuild())?.phase === "swapping", {
    what: "only the swap is left",
  });
  const other = postgres(store.url, { max: 1 });
  for (let poll = 0; poll < 20; poll += 1) {
    const asked = performance.now();
    expect(await other`select time from stats`).toHaveLength(80);
    expect(performance.now() - asked).toBeLessThan(3_000);
  }
  expect(await rebuild()).toBeObject();
  await other.end();
  await long`commit`.simple();
  await long.end();
  await rebuilt(store);
}, 30_000);
