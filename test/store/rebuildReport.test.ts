/** What a rebuild finds, and what people may do about it. */
import { describe, expect, test } from "bun:test";
import type { ProjectionInfo } from "../../src/actors/projectionPorts.ts";
import { PostgresAdminQueries } from "../../src/store/adminQueries.ts";
import { PostgresProjectionControl } from "../../src/store/projectionControl.ts";
import { stats } from "../../src/store/projections/stats.ts";
import { until } from "../support/until.ts";
import {
  firstEndMs,
  freshStore,
  sealed,
  type TestStore,
  tableText,
  Writer,
  windowMs,
} from "./support.ts";

const contents = ["a", "b", "c", "d", "e"];

async function filledStore(windows = 3): Promise<{ store: TestStore; writer: Writer }> {
  const store = await freshStore(2);
  const writer = new Writer(store.partitions, 1);
  for (let window = 0; window < windows; window += 1) {
    const windowEndMs = firstEndMs + window * windowMs;
    await writer.commit(contents.map((content) => sealed({ content, windowEndMs, cdn: 5n })));
  }
  store.project({ pollMs: 10 });
  await store.projected();
  return { store, writer };
}

async function projection(store: TestStore, name = "stats"): Promise<ProjectionInfo> {
  const found = await new PostgresAdminQueries(store.database).projections();
  const info = found.find((candidate) => candidate.name === name);
  if (info === undefined) throw new Error(`no projection ${name}`);
  return info;
}

function waiting(store: TestStore, name = "stats") {
  return until(
    async () => {
      const { rebuild } = await projection(store, name);
      return rebuild?.phase === "waiting" ? rebuild : undefined;
    },
    { what: "the rebuild waits" },
  );
}

function ended(store: TestStore, outcome: string, name = "stats") {
  return until(
    async () => {
      const { rebuild, lastRebuild } = await projection(store, name);
      const isEnded = rebuild === null && lastRebuild?.outcome === outcome;
      return isEnded ? lastRebuild : undefined;
    },
    { what: `the build is ${outcome}` },
  );
}

async function shadows(store: TestStore): Promise<number> {
  const rows = await store.database.run(
    (sql) => sql`select from pg_tables where tablename like '%\\_rebuild'`,
  );
  return rows.length;
}

async function tamper(store: TestStore): Promise<void> {
  for (const statement of [
    "update stats set cdn = 6 where content = 'a' and time = '2024-01-01 10:05Z'",
    "delete from stats where content = 'b' and time = '2024-01-01 10:10Z'",
    "insert into stats values ('2024-01-01 10:15Z', 'Customer1', 'made up', 9223372036854775807, 0)",
  ]) {
    await store.database.run((sql) => sql.unsafe(statement));
  }
}

describe("a rebuild of a table that was changed by hand", () => {
  test("names every row, waits, and swaps when that is accepted", async () => {
    const { store, writer } = await filledStore();
    await using _ = store;
    const before = await tableText(store.database, "stats");
    await tamper(store);
    const control = new PostgresProjectionControl(store.database);
    expect(await control.acceptDifferences("stats")).toBe("conflict");
    expect(await control.rebuild("stats")).toBe("accepted");
    const { report, acceptsDifferences, applied } = await waiting(store);
    expect({ acceptsDifferences, applied }).toEqual({ acceptsDifferences: false, applied: 15 });
    expect(report).toMatchObject({ events: 15, equal: 13, missing: 1, extra: 1, different: 1 });
    const row = { customer: "Customer1", p2p: "0" };
    const a = { ...row, content: "a", time: "2024-01-01T10:05:00+00:00" };
    expect(report?.examples).toEqual({
      different: [{ live: { ...a, cdn: "6" }, rebuilt: { ...a, cdn: "5" } }],
      missing: [
        {
          live: null,
          rebuilt: { ...row, content: "b", time: "2024-01-01T10:10:00+00:00", cdn: "5" },
        },
      ],
      extra: [
        {
          live: {
            ...row,
            content: "made up",
            time: "2024-01-01T10:15:00+00:00",
            cdn: "9223372036854775807",
          },
          rebuilt: null,
        },
      ],
    });
    expect(await control.rebuild("stats")).toBe("conflict");
    // The waiting build follows the live one.
    await writer.commit([sealed({ content: "later", windowEndMs: firstEndMs + 9 * windowMs })]);
    await store.projected();
    expect(await tableText(store.database, "stats")).not.toBe(before);
    expect(await control.acceptDifferences("stats")).toBe("accepted");
    const last = await ended(store, "swapped");
    expect(last).toMatchObject({ events: 16, report: { different: 1 } });
    const after = await tableText(store.database, "stats");
    expect(
      after
        .split("\n")
        .filter((line) => !line.includes("later"))
        .join("\n"),
    ).toBe(before);
    expect(await shadows(store)).toBe(0);
  });

  test("changes nothing when it is cancelled, and may be asked for again", async () => {
    const { store } = await filledStore();
    await using _ = store;
    await tamper(store);
    const tampered = await tableText(store.database, "stats");
    const control = new PostgresProjectionControl(store.database);
    expect(await control.cancel("nonsense")).toBe("unknown");
    expect(await control.cancel("stats")).toBe("conflict");
    await control.rebuild("stats");
    await waiting(store);
    expect(await control.cancel("stats")).toBe("accepted");
    await ended(store, "cancelled");
    expect(await tableText(store.database, "stats")).toBe(tampered);
    expect(await shadows(store)).toBe(0);
    expect(await control.rebuild("stats", { acceptDifferences: true })).toBe("accepted");
    await ended(store, "swapped");
    expect(await tableText(store.database, "stats")).not.toBe(tampered);
  });

  test("names no more than twenty rows of a kind", async () => {
    const { store } = await filledStore(10);
    await using _ = store;
    await store.database.run((sql) => sql`update sessions set sessions = sessions + 1`);
    await new PostgresProjectionControl(store.database).rebuild("sessions");
    const { report } = await waiting(store, "sessions");
    expect(report).toMatchObject({ equal: 0, missing: 0, extra: 0, different: 50 });
    expect(report?.examples.different).toHaveLength(20);
  });
});

describe("a verification", () => {
  test("reports and changes nothing", async () => {
    const { store } = await filledStore();
    await using _ = store;
    const control = new PostgresProjectionControl(store.database);
    expect(await control.rebuild("stats", { verify: true })).toBe("accepted");
    const clean = await ended(store, "verified");
    expect(clean.report).toMatchObject({ equal: 15, missing: 0, extra: 0, different: 0 });
    await tamper(store);
    const tampered = await tableText(store.database, "stats");
    await control.rebuild("stats", { verify: true });
    const last = await until(
      async () => {
        const { rebuild, lastRebuild } = await projection(store);
        return rebuild === null && lastRebuild?.report?.equal === 13 ? lastRebuild : undefined;
      },
      { what: "the second verification has ended" },
    );
    expect(last.report).toMatchObject({ missing: 1, extra: 1, different: 1 });
    expect(await tableText(store.database, "stats")).toBe(tampered);
    expect(await shadows(store)).toBe(0);
  });

  test("keeps to its limits", async () => {
    const { store } = await filledStore();
    await using _ = store;
    await tamper(store);
    const control = new PostgresProjectionControl(store.database);
    const fromMs = firstEndMs;
    for (const [name, limits, counts] of [
      ["stats", { fromMs, toMs: fromMs + windowMs }, { equal: 4, missing: 1, extra: 0 }],
      ["stats", { content: "a" }, { equal: 2, different: 1, missing: 0 }],
      ["stats", { customer: "nobody" }, { equal: 0, different: 0, missing: 0, extra: 0 }],
      ["sessions", { content: "a", fromMs }, { equal: 2, different: 0 }],
      ["content_hourly", { content: "c", toMs: fromMs }, { equal: 1, missing: 0, extra: 0 }],
      ["content_hourly", { fromMs }, { equal: 0, missing: 0, extra: 0 }],
    ] as const) {
      expect(await control.rebuild(name, { verify: true, limits })).toBe("accepted");
      const { report, limits: kept } = await ended(store, "verified", name);
      expect(report).toMatchObject(counts);
      expect(kept).toEqual(limits);
    }
  });
});

test("limits are no call for each row, which would take most of the time", async () => {
  await using store = await freshStore(1);
  const plan = await store.database.run((sql) =>
    sql.unsafe(`
      explain select from stats
      where within_limits('{"fromMs": 1}', customer, content, ${stats.start.ofRow})
    `),
  );
  expect(JSON.stringify(plan)).not.toContain("within_limits");
});

test("a build can be paused alone: the table that is read goes on", async () => {
  const { store, writer } = await filledStore();
  await using _ = store;
  const control = new PostgresProjectionControl(store.database);
  expect(await control.pause("stats", "rebuild")).toBe("conflict");
  await tamper(store);
  await control.rebuild("stats");
  await waiting(store);
  expect(await control.pause("stats", "rebuild")).toBe("accepted");
  expect((await projection(store)).rebuild?.phase).toBe("paused");
  // A step that had begun before the pause may still end.
  await until(
    async () => {
      const active = await store.database.run(
        (sql) => sql`
          select from pg_stat_activity
          where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
        `,
      );
      return active.length === 0;
    },
    { what: "nothing runs in the database" },
  );
  await control.acceptDifferences("stats");
  await writer.commit([sealed({ content: "later", windowEndMs: firstEndMs + 9 * windowMs })]);
  await store.projected();
  expect((await projection(store)).rebuild).toMatchObject({ phase: "paused", applied: 15 });
  await control.resume("stats", "rebuild");
  await ended(store, "swapped");
});

describe("the swap", () => {
  test("keeps the privileges of the table, with options and columns", async () => {
    const { store } = await filledStore(1);
    await using _ = store;
    const role = `"reader ${crypto.randomUUID()}"`;
    const privileges = () =>
      store.database.run(
        (sql) => sql`
          select coalesce(c.relacl::text[], '{}') as acl, (
            select string_agg(attname || attacl::text, ',') from pg_attribute
            where attrelid = c.oid and attacl is not null
          ) as columns
          from pg_class c where c.oid = 'stats'::regclass
        `,
      );
    for (const statement of [
      `create role ${role}`,
      `grant select on stats to ${role} with grant option`,
      "grant select, insert on stats to public",
      `grant update (cdn) on stats to ${role}`,
      `alter default privileges grant delete on tables to ${role}`,
    ]) {
      await store.database.run((sql) => sql.unsafe(statement));
    }
    const before = [...(await privileges())];
    await new PostgresProjectionControl(store.database).rebuild("stats");
    await ended(store, "swapped");
    expect([...(await privileges())]).toEqual(before);
    await store.database.run((sql) => sql.unsafe(`drop owned by ${role}`));
    await store.database.run((sql) => sql.unsafe(`drop role ${role}`));
  });

  test("says which view is in its way, and goes on when that is gone", async () => {
    const { store } = await filledStore(1);
    await using _ = store;
    await store.database.run((sql) => sql`create view mine as select * from stats`);
    await new PostgresProjectionControl(store.database).rebuild("stats");
    const problem = await until(async () => (await projection(store)).rebuild?.problem, {
      what: "the problem is shown",
    });
    expect(problem).toContain("view mine depends on table stats");
    expect(await store.database.run((sql) => sql`select from mine`)).toHaveLength(5);
    await store.database.run((sql) => sql`drop view mine`);
    await ended(store, "swapped");
  });
});
