/** The comparison of every projection's table with the fold of the events. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { projections } from "../../src/store/projections/registry.ts";
import { compareTables } from "../../src/store/tableAudit.ts";
import {
  commitRaw,
  firstEndMs,
  freshStore,
  type TestStore,
  Writer,
  windowMs,
  windowOf,
} from "./support.ts";

// Real servers on a busy machine take their time.
setDefaultTimeout(30_000);

const windows = 30;
const contents = 5;
const hourMs = 3_600_000;

async function filledStore(): Promise<TestStore> {
  const store = await freshStore(2);
  for (const partition of [0, 1]) {
    const writer = new Writer(store.partitions, partition);
    for (let window = 0; window < windows; window++) {
      await writer.commit(windowOf(partition, contents, firstEndMs + window * windowMs));
    }
  }
  store.project();
  await store.projected();
  return store;
}

function audit(store: TestStore, range: { fromMs?: number; toMs?: number } = {}) {
  return compareTables(store.database, windowMs, range);
}

function run(store: TestStore, statement: string) {
  return store.database.run((sql) => sql.unsafe(statement).simple());
}

test("every registered projection is compared", async () => {
  await using store = await filledStore();
  const rows = 2 * windows * contents;
  expect(await audit(store)).toEqual(
    projections.map(({ name }) => ({
      table: name,
      // Windows that start from 10:00 to 12:25 lie in three hours.
      rows: name === "content_hourly" ? 3 * 2 * contents : rows,
      differences: [],
      differencesTotal: 0,
      skipped: null,
    })),
  );
});

test("a row of an hour that was changed, is missing or was never made is named", async () => {
  await using store = await filledStore();
  const where = `hour = '2024-01-01 11:00Z' and content = 'channel-1-3'`;
  await run(store, `update content_hourly set p2p = p2p + 1 where ${where}`);
  await run(
    store,
    `delete from content_hourly where hour = '2024-01-01 12:00Z' and content = 'channel-0-0';
     insert into content_hourly values ('nobody', 'nothing', '2024-01-01 10:00Z', 1, 1, 1)`,
  );
  const [stats, sessions, hourly] = await audit(store);
  expect([stats?.differences, sessions?.differences]).toEqual([[], []]);
  expect(hourly?.differencesTotal).toBe(3);
  expect(hourly?.differences).toEqual([
    {
      table: "content_hourly",
      key: { hour: "2024-01-01T10:00:00.000Z", customer: "nobody", content: "nothing" },
      recorded: { cdn: "1", p2p: "1", sessions: "1", offload: "0.5" },
      expected: null,
    },
    {
      table: "content_hourly",
      key: { hour: "2024-01-01T11:00:00.000Z", customer: "Customer1", content: "channel-1-3" },
      recorded: expect.objectContaining({ cdn: "36", p2p: "13" }),
      expected: { cdn: "36", p2p: "12", sessions: "36", offload: "0.25" },
    },
    {
      table: "content_hourly",
      key: { hour: "2024-01-01T12:00:00.000Z", customer: "Customer1", content: "channel-0-0" },
      recorded: null,
      expected: expect.objectContaining({ cdn: "0" }),
    },
  ]);
});

test("a column that somebody added is not compared, wherever it stands", async () => {
  await using store = await filledStore();
  await run(
    store,
    `alter table content_hourly add column note text;
     alter table stats drop column p2p;
     alter table stats add column note text not null default 'ours', add column p2p bigint;
     update stats set p2p = (data ->> 'p2p')::bigint from events e
     where (e.customer, e.content, e.window_end) = (stats.customer, stats.content, stats.time);
     update content_hourly set sessions = sessions + 1
     where hour = '2024-01-01 11:00Z' and content = 'channel-1-3'`,
  );
  const [stats, , hourly] = await audit(store);
  expect(stats?.differences).toEqual([]);
  expect(hourly?.differences).toEqual([
    {
      table: "content_hourly",
      key: { hour: "2024-01-01T11:00:00.000Z", customer: "Customer1", content: "channel-1-3" },
      recorded: { cdn: "36", p2p: "12", sessions: "37", offload: "0.25" },
      expected: { cdn: "36", p2p: "12", sessions: "36", offload: "0.25" },
    },
  ]);
});

test("the key and the values of a projection are all of its columns", async () => {
  await using store = await freshStore(1);
  for (const { name, key, values } of projections) {
    const columns = await store.database.run(
      (sql) => sql<{ name: string }[]>`
        select attname::text as name from pg_attribute
        where attrelid = ${name}::regclass and attnum > 0
      `,
    );
    const named = `${key}, ${values}`.split(", ");
    expect(named.sort()).toEqual(columns.map((column) => column.name).sort());
  }
});

test("a range leaves out rows that begin outside of it, and takes in whole ones only", async () => {
  await using store = await filledStore();
  await run(store, "update content_hourly set cdn = cdn + 1; update stats set cdn = cdn + 1");
  const fromMs = Date.UTC(2024, 0, 1, 11);
  const found = await audit(store, { fromMs, toMs: fromMs + hourMs });
  const totals = new Map(found.map(({ table, differencesTotal }) => [table, differencesTotal]));
  expect(totals.get("content_hourly")).toBe(2 * contents);
  expect(totals.get("stats")).toBe(12 * 2 * contents);
  expect(totals.get("sessions")).toBe(0);
});

test("events that are not applied yet are no difference, and the table stays as it is", async () => {
  await using store = await filledStore();
  await run(store, "update projections set paused = true");
  const [row] = await store.database.run(
    (sql) => sql`select position::int, sequence::int from partitions where partition = 0`,
  );
  const outcome = await commitRaw(store, windowOf(0, 1, firstEndMs + windows * windowMs), {
    expectedSequence: Number(row?.sequence),
    expectedPosition: Number(row?.position),
    sequence: 99,
    streamCreated: "",
    sealedThrough: null,
    state: null,
  });
  expect(outcome).toBe("committed");
  for (const { differences } of await audit(store)) expect(differences).toEqual([]);
});

test("a table of another version is skipped, and that is said", async () => {
  await using store = await filledStore();
  await run(store, "update projections set version = 0 where name = 'sessions'");
  const found = (await audit(store)).find(({ table }) => table === "sessions");
  expect(found).toEqual({
    table: "sessions",
    rows: 0,
    differences: [],
    differencesTotal: 0,
    skipped: "the table has version 0, this program knows version 1",
  });
});
