/** Leases while Postgres is held up: what waits in front of a renewal must not cost the lease. */
import { afterAll, afterEach, expect, test } from "bun:test";
import postgres from "postgres";
import { examplePayload, postOne } from "../support/api.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { until } from "../support/until.ts";

const leaseMs = 6_000;
const sites: TestSite[] = [];
const clients: postgres.Sql[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((sql) => sql.end({ timeout: 1 })));
});
afterAll(async () => {
  await Promise.all(sites.map((site) => site.clear()));
});

async function start(): Promise<TestProcess> {
  const site = await testSite({
    WINDOW: "1s",
    LEASE: `${leaseMs}ms`,
    ROLES: "ingest,worker,admin",
  });
  sites.push(site);
  return site.start();
}

function connect(running: TestProcess): postgres.Sql {
  const sql = postgres(running.databaseUrl, { max: 1 });
  clients.push(sql);
  return sql;
}

/** Runs a statement whose locks stay until `release`. */
async function hold(running: TestProcess, statement: string): Promise<{ release(): void }> {
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const transaction = connect(running).begin(async (sql) => {
    await sql.unsafe(statement);
    held.resolve();
    await released.promise;
  });
  transaction.catch(held.reject);
  await held.promise;
  return { release: () => released.resolve() };
}

/** The statements of the process that wait for a lock, as the beginning of each in ms. */
async function waiting(sql: postgres.Sql, like: string): Promise<number[]> {
  const rows = await sql<{ at: string }[]>`
    select (extract(epoch from query_start) * 1000)::text as at from pg_stat_activity
    where application_name like 'payload-stats %' and wait_event_type = 'Lock'
      and query like ${`%${like}%`}
    order by query_start
  `;
  return rows.map(({ at }) => Number(at));
}

async function leaseLeftMs(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ left: string }[]>`
    select (extract(epoch from max(lease_until) - clock_timestamp()) * 1000)::text as left
    from workers
  `;
  return Number(row?.left);
}

async function owners(sql: postgres.Sql) {
  return [...(await sql`select partition, epoch::text, owner from partitions order by partition`)];
}

/** Every partition with its owner, once all have one. */
function whenOwned(sql: postgres.Sql) {
  const all = async () => {
    const rows = await owners(sql);
    return rows.every(({ owner }) => owner !== null) && rows;
  };
  return until(all, { what: "every partition has an owner" });
}

test("commits that all wait do not keep a lease from being renewed", async () => {
  const running = await start();
  const sql = connect(running);
  const before = await whenOwned(sql);
  const events = await hold(running, "lock table events in access exclusive mode");
  for (let content = 0; content < 64; content++) {
    await postOne(running.url, { ...examplePayload, content: `channel${content}` });
  }
  await until(async () => (await waiting(sql, "commit_partition")).length >= 8, {
    what: "every connection for commits waits",
  });
  const renewed = async () => (await leaseLeftMs(sql)) > 0.9 * leaseMs;
  for (let renewals = 0; renewals < 2; renewals++) {
    await until(async () => !(await renewed()), { what: "the lease grows old" });
    await until(renewed, { what: "the lease is renewed", timeoutMs: leaseMs });
  }
  events.release();
  expect(await owners(sql)).toEqual(before);
}, 60_000);

test("a renewal that waits is ended, and tried again while the lease lasts", async () => {
  const running = await start();
  const sql = connect(running);
  const before = await whenOwned(sql);
  const workers = await hold(running, "select * from workers for update");
  const first = await until(async () => (await waiting(sql, "renew_lease"))[0], {
    what: "a renewal waits",
  });
  const second = await until(
    async () => (await waiting(sql, "renew_lease")).find((at) => at > first),
    { what: "another one waits", timeoutMs: leaseMs },
  );
  // Postgres itself has ended the first one.
  expect(await waiting(sql, "renew_lease")).toEqual([second]);
  expect(await leaseLeftMs(sql)).toBeGreaterThan(0);
  workers.release();
  await until(async () => (await leaseLeftMs(sql)) > 0.9 * leaseMs, { what: "it is renewed" });
  expect(await owners(sql)).toEqual(before);
}, 60_000);
