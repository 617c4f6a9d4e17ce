import { describe, expect, test } from "bun:test";
import { connect, createServer } from "node:net";
import fc from "fast-check";
import postgres from "postgres";
import type { DomainEvent } from "../../src/domain/events.ts";
import { PostgresAdminQueries } from "../../src/store/adminQueries.ts";
import { HeavyStatements } from "../../src/store/heavyStatements.ts";
import { PostgresProjectionControl } from "../../src/store/projectionControl.ts";
import { holdProjection } from "../../src/store/projectionState.ts";
import { stats } from "../../src/store/projections/stats.ts";
import { Projector } from "../../src/store/projector.ts";
import { testLog } from "../support/servers.ts";
import { listening } from "../support/tcp.ts";
import { until } from "../support/until.ts";
import {
  firstEndMs,
  freshStore,
  openTestDatabase,
  sealed,
  type TestStore,
  tableText,
  Writer,
  windowMs,
  windowOf,
} from "./support.ts";

/** What the tables must hold: one row for each event. */
function naiveFold(events: readonly DomainEvent[]) {
  return events
    .map(({ customer, content, data }) => ({
      key: [data.windowEnd, customer, content].join("|"),
      cdn: BigInt(data.cdn),
      p2p: BigInt(data.p2p),
      sessions: BigInt(data.sessions),
    }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}

async function tables(store: TestStore) {
  const rows = await store.database.run(
    (sql) => sql<
      {
        time: Date;
        customer: string;
        content: string;
        cdn: bigint;
        p2p: bigint;
        sessions: bigint;
      }[]
    >`
      select * from stats full join sessions using (time, customer, content)
    `,
  );
  return rows
    .map(({ time, customer, content, ...sums }) => ({
      key: [time.toISOString(), customer, content].join("|"),
      ...sums,
    }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}

const anySealed = fc.record({
  partition: fc.nat(2),
  customer: fc.constantFrom("a", "B", "é", "🎬"),
  window: fc.nat(20),
  cdn: fc.bigInt(0n, 9_223_372_036_854_775_807n),
  p2p: fc.bigInt(0n, 9_223_372_036_854_775_807n),
  sessions: fc.nat(1_000),
});

test("the tables equal a naive fold of the log, whatever the batches", async () => {
  await using store = await freshStore(3);
  let round = 0;
  let all: DomainEvent[] = [];
  const writers = [0, 1, 2].map((partition) => new Writer(store.partitions, partition));
  await fc.assert(
    fc.asyncProperty(
      fc.array(anySealed, { maxLength: 40 }),
      fc.integer({ min: 1, max: 30 }),
      async (drawn, batchEventsMax) => {
        round += 1;
        const projector = store.project({ workerId: `projector-${round}`, batchEventsMax });
        for (const writer of writers) {
          const events = drawn
            .filter(({ partition }) => partition === writer.partition)
            .map((each, index) =>
              sealed({
                ...each,
                content: `${round}-${index}-${writer.partition}`,
                windowEndMs: firstEndMs + each.window * windowMs,
              }),
            );
          expect(await writer.commit(events)).toBe("committed");
          all = [...all, ...events];
        }
        await store.projected();
        await projector.stop();
        expect(await tables(store)).toEqual(naiveFold(all));
      },
    ),
    { numRuns: 15 },
  );
}, 60_000);

test("an event that commits late is not skipped", async () => {
  await using store = await freshStore(2);
  store.project();
  // A committer of partition 0 sleeps inside its transaction, holding events 1 and 2.
  const slow = postgres(store.url, { max: 1 });
  const events = windowOf(0, 2, firstEndMs);
  const lines = (of: (event: DomainEvent) => string) => events.map(of).join("\n");
  await slow`begin`.simple();
  await slow`
    select commit_partition(0, 0, 'slow', 0, 0, '', 1, '', ${new Date(firstEndMs)}, null,
      'WindowSealed', 1, ${events.length}, ${lines(({ customer }) => customer)}::text,
      ${lines(({ content }) => content)}::text, ${lines(({ data }) => JSON.stringify(data))}::text,
      '[]')
  `;
  const other = new Writer(store.partitions, 1);
  await other.commit(windowOf(1, 3, firstEndMs));
  await until(async () => (await tables(store)).length === 3, { what: "partition 1 is projected" });

  const admin = new PostgresAdminQueries(store.database);
  const sessions = await until(
    async () => {
      const found = (await admin.projections()).find(({ name }) => name === "sessions");
      return found?.applied === 3 ? found : undefined;
    },
    { what: "the sessions of partition 1 are projected" },
  );
  expect(sessions.sealedThrough).toBeNull();

  await slow`commit`.simple();
  await slow.end();
  await store.projected();
  expect(await tables(store)).toHaveLength(5);
  const later = (await admin.projections()).find(({ name }) => name === "sessions");
  expect(later).toMatchObject({ applied: 5, sealedThrough: new Date(firstEndMs).toISOString() });
});

test("sealedThrough moves without events, and never before the events", async () => {
  await using store = await freshStore(1);
  const writer = new Writer(store.partitions, 0);
  const projector = store.project({ batchEventsMax: 3 });
  const seen: [string | null, number][] = [];
  const watch = setInterval(async () => {
    const rows = await store.database.run(
      (sql) => sql<{ sealed: Date | null; rows: number }[]>`
        select sealed_through as sealed, (select count(*)::int from stats) as rows
        from projection_positions where projection = 'stats'
      `,
    );
    for (const { sealed: through, rows: count } of rows) {
      seen.push([through?.toISOString() ?? null, count]);
    }
  }, 1);
  await writer.commit(windowOf(0, 40, firstEndMs));
  await store.projected();
  clearInterval(watch);
  for (const [through, count] of seen) expect(through === null).toBe(count < 40);
  expect(seen.length).toBeGreaterThan(0);

  await writer.commit([], { sealedThroughMs: firstEndMs + windowMs });
  await store.projected();
  await projector.stop();
});

describe("the lease of a projection", () => {
  test("is held by one worker, and is taken over when it stops or falls silent", async () => {
    await using store = await freshStore(1);
    const hold = (worker: string, leaseMs: number) =>
      holdProjection(store.database, stats, worker, leaseMs);
    expect(await hold("a", 60_000)).toBeDefined();
    expect(await hold("b", 60_000)).toBeUndefined();
    expect(await hold("a", -1)).toBeDefined();
    expect(await hold("b", 60_000)).toBeDefined();
    expect(await hold("a", 60_000)).toBeUndefined();
  });

  test("goes at once to the next projector when one stops", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    const first = store.project({ workerId: "first", leaseMs: 600_000 });
    await writer.commit(windowOf(0, 3, firstEndMs));
    await store.projected();
    store.project({ workerId: "second", leaseMs: 600_000, pollMs: 600_000 });
    await first.stop();
    await first.stop();
    await writer.commit(windowOf(0, 3, firstEndMs + windowMs));
    await store.projected();
    expect(await tables(store)).toHaveLength(6);
  });
});

test("a stop does not wait for a step that takes long", async () => {
  await using store = await freshStore(1);
  const writer = new Writer(store.partitions, 0);
  const blocker = postgres(store.url, { max: 1 });
  const blocked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const blocking = blocker.begin(async (sql) => {
    await sql`lock table stats, sessions in access exclusive mode`;
    blocked.resolve();
    await release.promise;
  });
  await blocked.promise;
  const pool = openTestDatabase(store.url, 6, "first", true);
  const first = new Projector(pool, { workerId: "first", leaseMs: 600_000, log: testLog });
  first.start();
  await writer.commit(windowOf(0, 3, firstEndMs));
  await until(
    async () => {
      const rows = await store.database.run(
        (sql) => sql`select 1 from pg_stat_activity where wait_event_type = 'Lock'`,
      );
      return rows.length > 0;
    },
    { what: "a step waits" },
  );
  await first.stop();
  await pool.close();
  release.resolve();
  await blocking;
  await blocker.end();
  store.project({ workerId: "second", leaseMs: 1_000 });
  await store.projected();
  expect(await tables(store)).toHaveLength(3);
}, 30_000);

test("a step whose answer is lost is done again soon, and rows stand still no longer", async () => {
  await using store = await freshStore(1);
  const writer = new Writer(store.partitions, 0);
  const url = new URL(store.url);
  const postgresPort = Number(url.port);
  let lost = 0;
  // Passes on nothing of what Postgres says to the connection that asks for the first step.
  const network = createServer((near) => {
    const far = connect(postgresPort, "127.0.0.1");
    let isDead = false;
    near.on("data", (chunk) => {
      if (lost === 0 && chunk.includes("apply_events(")) {
        lost++;
        isDead = true;
      }
      far.write(chunk);
    });
    far.on("data", (chunk) => {
      if (!isDead) near.write(chunk);
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on("error", () => {});
      one.on("close", () => other.destroy());
    }
  });
  url.port = String(await listening(network));
  const pool = openTestDatabase(url.href, 6, "lossy", true);
  const projector = new Projector(pool, { workerId: "lossy", liveStepMs: 200, log: testLog });
  projector.start();
  await writer.commit(windowOf(0, 3, firstEndMs));
  await store.projected();
  expect(lost).toBe(1);
  expect(await tables(store)).toHaveLength(3);
  await projector.stop();
  await pool.close();
  network.close();
}, 60_000);

test("a step whose turn comes after the stop takes no projection again", async () => {
  await using store = await freshStore(1);
  const heavy = new HeavyStatements(() => true, 60_000);
  const over = Promise.withResolvers<void>();
  void heavy.inTurn(() => over.promise);
  const projector = store.project({ leaseMs: 600_000, heavy });
  await projector.stop();
  over.resolve();
  // First come, first served: the steps that waited are done then.
  await heavy.inTurn(async () => {});
  const held = await store.database.run(
    (sql) => sql`select name from projections where worker is not null`,
  );
  expect([...held]).toEqual([]);
}, 30_000);

test("pause stops a projection, and resume lets it catch up", async () => {
  await using store = await freshStore(1);
  const control = new PostgresProjectionControl(store.database);
  const admin = new PostgresAdminQueries(store.database);
  expect(await control.pause("nonsense")).toBe("unknown");
  expect(await control.pause("stats")).toBe("accepted");
  expect(await control.pause("stats")).toBe("accepted");
  store.project();
  await new Writer(store.partitions, 0).commit(windowOf(0, 3, firstEndMs));
  await until(async () => (await tableText(store.database, "sessions")) !== "", {
    what: "the other projection has gone on",
  });
  expect(await tableText(store.database, "stats")).toBe("");
  const states = (await admin.projections()).map(({ name, state }) => [name, state]);
  expect(states).toEqual([
    ["content_hourly", "running"],
    ["sessions", "running"],
    ["stats", "paused"],
  ]);
  expect(await control.resume("stats")).toBe("accepted");
  await store.projected();
});

test("a step waits for its turn while devices wait, and is not done if paused meanwhile", async () => {
  await using store = await freshStore(1);
  const control = new PostgresProjectionControl(store.database);
  const heavy = new HeavyStatements(() => true, 60_000);
  const other = Promise.withResolvers<void>();
  const turn = heavy.inTurn(() => other.promise);
  await using _ = { [Symbol.asyncDispose]: async () => other.resolve() };
  await new Writer(store.partitions, 0).commit(windowOf(0, 3, firstEndMs));
  store.project({ heavy });
  const held = async () => {
    const rows = await store.database.run(
      (sql) => sql`select from projections where worker is not null`,
    );
    return rows.length === 3;
  };
  await until(held, { what: "the loops of the projector to run" });
  expect(await control.pause("stats")).toBe("accepted");
  expect(await tableText(store.database, "sessions")).toBe("");
  other.resolve();
  await turn;
  await until(async () => (await tableText(store.database, "sessions")) !== "", {
    what: "the projection that is not paused",
  });
  expect(await tableText(store.database, "stats")).toBe("");
});

test("a row that somebody else wrote gives way to its event", async () => {
  await using store = await freshStore(1);
  const [first, ...others] = windowOf(0, 3, firstEndMs);
  if (first === undefined) throw new Error("no event");
  const { customer, content } = first;
  await store.database.run(
    (sql) => sql`
      insert into stats (time, customer, content, cdn, p2p)
      values (${new Date(firstEndMs)}, ${customer}, ${content}, 99, 99)
    `,
  );
  await new Writer(store.partitions, 0).commit([first, ...others]);
  store.project();
  await store.projected();
  expect(await tables(store)).toEqual(naiveFold([first, ...others]));
});
