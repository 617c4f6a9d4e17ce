/** The third projection, whose rows add up several events. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { DomainEvent } from "../../src/domain/events.ts";
import { prepareDatabase } from "../../src/store/prepare.ts";
import { PostgresProjectionControl } from "../../src/store/projectionControl.ts";
import { compareTables } from "../../src/store/tableAudit.ts";
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

const hourMs = 3_600_000;

interface HourRow {
  readonly customer: string;
  readonly content: string;
  readonly hour: string;
  readonly cdn: bigint;
  readonly p2p: bigint;
  readonly sessions: bigint;
  readonly offload: number | null;
}

function naiveHours(events: readonly DomainEvent[]): HourRow[] {
  const hours = new Map<string, HourRow>();
  for (const { customer, content, data } of events) {
    const startMs = Date.parse(data.windowStart);
    const hour = new Date(startMs - (startMs % hourMs)).toISOString();
    const key = JSON.stringify([customer, content, hour]);
    const sums = hours.get(key);
    const cdn = (sums?.cdn ?? 0n) + BigInt(data.cdn);
    const p2p = (sums?.p2p ?? 0n) + BigInt(data.p2p);
    const sessions = (sums?.sessions ?? 0n) + BigInt(data.sessions);
    const offload = cdn + p2p === 0n ? null : Number(p2p) / Number(cdn + p2p);
    hours.set(key, { customer, content, hour, cdn, p2p, sessions, offload });
  }
  return [...hours.values()].sort(byKey);
}

function byKey(a: HourRow, b: HourRow): number {
  const [one = "", other = ""] = [a, b].map((row) => [row.hour, row.customer, row.content].join());
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

async function tableHours(store: TestStore): Promise<HourRow[]> {
  const rows = await store.database.run(
    (sql) => sql<
      {
        customer: string;
        content: string;
        hour: Date;
        cdn: string;
        p2p: string;
        sessions: string;
        offload: number | null;
      }[]
    >`
      select customer, content, hour, cdn::text, p2p::text, sessions::text, offload
      from content_hourly
    `,
  );
  return rows
    .map((row) => ({
      ...row,
      hour: row.hour.toISOString(),
      cdn: BigInt(row.cdn),
      p2p: BigInt(row.p2p),
      sessions: BigInt(row.sessions),
    }))
    .sort(byKey);
}

function expectHours(found: readonly HourRow[], expected: readonly HourRow[]): void {
  const sums = (rows: readonly HourRow[]) => rows.map(({ offload: _, ...rest }) => rest);
  expect(sums(found)).toEqual(sums(expected));
  for (const [index, row] of expected.entries()) {
    const offload = found[index]?.offload;
    if (row.offload === null) expect(offload).toBeNull();
    else expect(offload).toBeCloseTo(row.offload, 12);
  }
}

const large = 9_223_372_036_854_775_807n;
const anySealed = fc.record({
  customer: fc.constantFrom("a", "é"),
  content: fc.constantFrom("x", "y"),
  cdn: fc.oneof(fc.constant(0n), fc.bigInt(0n, large)),
  p2p: fc.oneof(fc.constant(0n), fc.bigInt(0n, large)),
  sessions: fc.nat(1_000),
});

test("its rows equal a naive fold, also when two projectors work and connections are cut", async () => {
  await using store = await freshStore(2);
  for (const workerId of ["victim-1", "victim-2"]) {
    store.project({ workerId, leaseMs: -1_000, pollMs: 1, batchEventsMax: 3 });
  }
  const writers = [0, 1].map((partition) => new Writer(store.partitions, partition));
  let all: DomainEvent[] = [];
  for (let window = 0; window < 40; window += 1) {
    for (const writer of writers) {
      const drawn = fc.sample(anySealed, 4).map((each, index) =>
        sealed({
          ...each,
          // An actor belongs to one partition, and seals once in a window.
          content: `${each.content}-${index}-${writer.partition}`,
          windowEndMs: firstEndMs + window * windowMs,
        }),
      );
      expect(await writer.commit(drawn)).toBe("committed");
      all = [...all, ...drawn];
    }
    if (window % 8 !== 7) continue;
    await store.database.run(
      (sql) => sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name like 'victim%'
      `,
    );
  }
  await store.projected();
  expectHours(await tableHours(store), naiveHours(all));
  for (const { differences } of await compareTables(store.database, windowMs, {})) {
    expect(differences).toEqual([]);
  }

  const before = await tableText(store.database, "content_hourly");
  const control = new PostgresProjectionControl(store.database);
  expect(await control.rebuild("content_hourly")).toBe("accepted");
  await until(
    async () =>
      (await store.database.run((sql) => sql`select from rebuilds where outcome = 'swapped'`))
        .length === 1,
    { what: "the rebuilt table is equal and in place", timeoutMs: 20_000 },
  );
  expect(await tableText(store.database, "content_hourly")).toBe(before);
}, 60_000);

test("a window belongs to the hour that it starts in; the ratio is one of sums, or null", async () => {
  await using store = await freshStore(1);
  store.project();
  const eleven = Date.UTC(2024, 0, 1, 11);
  const writer = new Writer(store.partitions, 0);
  await writer.commit([sealed({ windowEndMs: eleven, cdn: 900n, p2p: 100n, sessions: 2 })]);
  await writer.commit([
    sealed({ windowEndMs: eleven + windowMs, cdn: 0n, p2p: 0n }),
    sealed({ content: "other", windowEndMs: eleven + windowMs, cdn: 1n, p2p: 9n }),
  ]);
  await writer.commit([
    sealed({ content: "other", windowEndMs: eleven + 2 * windowMs, cdn: 989n, p2p: 1n }),
  ]);
  await store.projected();
  const hours = await tableHours(store);
  expect(hours.map(({ hour, content, offload }) => [hour, content, offload])).toEqual([
    ["2024-01-01T10:00:00.000Z", "channel1", 0.1],
    ["2024-01-01T11:00:00.000Z", "channel1", null],
    ["2024-01-01T11:00:00.000Z", "other", 0.01],
  ]);
});

test("a projection that is new to a database with events is built from the log by itself", async () => {
  await using store = await freshStore(1);
  const events = [sealed({ cdn: 5n }), sealed({ content: "b", p2p: 7n })];
  await new Writer(store.partitions, 0).commit(events);
  await store.database.run((sql) =>
    sql
      .unsafe(
        `drop table content_hourly;
         delete from projection_positions where projection = 'content_hourly';
         delete from projections where name = 'content_hourly';`,
      )
      .simple(),
  );
  await prepareDatabase(store.database, { windowMs, partitions: 1 });
  store.project();
  await store.projected();
  expectHours(await tableHours(store), naiveHours(events));
});
