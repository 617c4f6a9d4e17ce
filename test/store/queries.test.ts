import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { StatsRow, WindowQuery } from "../../src/actors/readPorts.ts";
import { PostgresStatsQueries } from "../../src/store/queries.ts";
import { firstEndMs, freshStore, sealed, type TestStore, Writer, windowMs } from "./support.ts";

const hourMs = 12 * windowMs;
const int64Max = 9_223_372_036_854_775_807n;
/** Names whose order differs between bytes and languages. */
const names = ["a", "B", "b", "Z", "é", "~", "🎬", " ", "a'b", "%", "_"];
const windows = 30;

let store: TestStore;
let queries: PostgresStatsQueries;
let all: readonly StatsRow[];

beforeAll(async () => {
  store = await freshStore(2);
  store.project();
  queries = new PostgresStatsQueries(store.database, windowMs);
  const writers = [0, 1].map((partition) => new Writer(store.partitions, partition));
  for (let window = 0; window < windows; window += 1) {
    for (const [customer, writer] of [
      ["c1", writers[0]],
      ["C2", writers[1]],
    ] as const) {
      // Not every content has every window.
      const present = names.filter((_, index) => (index + window) % 3 > 0);
      const events = present.map((content) =>
        sealed({
          customer,
          content,
          windowEndMs: firstEndMs + window * windowMs,
          cdn: int64Max - BigInt(window),
          p2p: BigInt(window),
          sessions: window,
        }),
      );
      expect(await writer?.commit(events)).toBe("committed");
    }
  }
  await store.projected();
  all = (await queries.stats({ bucketMs: windowMs, order: "asc", limit: 10_000 })).rows;
});

afterAll(() => store[Symbol.asyncDispose]());

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** What a query must return, worked out from all windows in the plainest way. */
function expected(query: WindowQuery): StatsRow[] {
  const sums = new Map<string, StatsRow>();
  for (const row of all) {
    if (query.customer !== undefined && row.customer !== query.customer) continue;
    if (query.content !== undefined && row.content !== query.content) continue;
    if (query.fromMs !== undefined && row.windowStartMs < query.fromMs) continue;
    if (query.toMs !== undefined && row.windowStartMs >= query.toMs) continue;
    const start = Math.floor(row.windowStartMs / query.bucketMs) * query.bucketMs;
    const key = JSON.stringify([start, row.customer, row.content]);
    const before = sums.get(key);
    sums.set(key, {
      windowStartMs: start,
      windowEndMs: start + query.bucketMs,
      customer: row.customer,
      content: row.content,
      cdn: (before?.cdn ?? 0n) + row.cdn,
      p2p: (before?.p2p ?? 0n) + row.p2p,
    });
  }
  const sign = query.order === "asc" ? 1 : -1;
  return [...sums.values()].sort(
    (a, b) =>
      sign * (a.windowEndMs - b.windowEndMs) ||
      bytewise(a.customer, b.customer) ||
      bytewise(a.content, b.content),
  );
}

async function readAllPages(query: WindowQuery): Promise<StatsRow[]> {
  const rows: StatsRow[] = [];
  for (;;) {
    const last = rows.at(-1);
    const after = last && { ...last, timeMs: last.windowEndMs };
    const page = await queries.stats({ ...query, after });
    rows.push(...page.rows);
    if (!page.more) return rows;
    expect(page.rows).toHaveLength(query.limit);
  }
}

const optional = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.option(arbitrary, { nil: undefined, freq: 1 });
const anyTime = fc.integer({ min: -40, max: 40 * 4 }).map((step) => firstEndMs + step * 75_000);
const anyQuery = fc.record({
  customer: optional(fc.constantFrom("c1", "C2", "nobody")),
  content: optional(fc.constantFrom(...names)),
  fromMs: optional(anyTime),
  toMs: optional(anyTime),
  bucketMs: fc.constantFrom(windowMs, 3 * windowMs, hourMs, 24 * hourMs),
  order: fc.constantFrom("asc" as const, "desc" as const),
  limit: fc.constantFrom(7, 50, 1_000),
});

describe("pages", () => {
  test("are together all rows, in order, none twice, for any query", async () => {
    expect(all).toHaveLength(windows * 2 * names.length * (2 / 3));
    await fc.assert(
      fc.asyncProperty(anyQuery, async (query) => {
        expect(await readAllPages(query)).toEqual(expected(query));
      }),
      { numRuns: 100 },
    );
  }, 60_000);

  test("say that there is no more when the last row is the limit's", async () => {
    const query = { bucketMs: windowMs, order: "asc" as const, limit: all.length };
    expect(await queries.stats(query)).toMatchObject({ more: false });
    expect(await queries.stats({ ...query, limit: all.length - 1 })).toMatchObject({ more: true });
  });

  test("tell how far the table is, also when they are empty", async () => {
    const query = { customer: "nobody", bucketMs: windowMs, order: "asc" as const, limit: 5 };
    const page = await queries.stats(query);
    expect(page.rows).toEqual([]);
    expect(page.sealedThroughMs).toBe(firstEndMs + (windows - 1) * windowMs);
    expect(Math.abs(page.asOfMs - Date.now())).toBeLessThan(60_000);
  });

  test("bear times that no table can hold", async () => {
    const query = { bucketMs: windowMs, order: "desc" as const, limit: 1_000 };
    const far = { fromMs: -8_640_000_000_000_000, toMs: 8_640_000_000_000_000 };
    expect((await queries.stats({ ...query, ...far })).rows).toHaveLength(all.length);
    const after = { timeMs: Number.MAX_SAFE_INTEGER, customer: "", content: "" };
    expect((await queries.stats({ ...query, after })).rows).toHaveLength(all.length);
  });
});

test("sums over buckets are exact beyond int64", async () => {
  const query = { customer: "c1", content: "a", order: "asc" as const, limit: 10 };
  const { rows } = await queries.stats({ ...query, bucketMs: 24 * hourMs });
  const counted = all.filter(({ customer, content }) => customer === "c1" && content === "a");
  const sum = counted.reduce((total, { cdn }) => total + cdn, 0n);
  expect(sum).toBeGreaterThan(int64Max);
  expect(rows.map(({ cdn }) => cdn)).toEqual([sum]);
});

test("sessions are read the same way", async () => {
  const query = { customer: "c1", content: "a", order: "asc" as const, limit: 100 };
  const { rows } = await queries.sessions({ ...query, bucketMs: windowMs });
  const present = Array.from({ length: windows }, (_, window) => window).filter(
    (window) => window % 3 > 0,
  );
  expect(rows.map(({ sessions }) => Number(sessions))).toEqual(present);
  const hours = await queries.sessions({ ...query, bucketMs: 24 * hourMs });
  const total = present.reduce((sum, window) => sum + window, 0);
  expect(hours.rows.map(({ sessions }) => Number(sessions))).toEqual([total]);
});

test("nothing is sealed through until every partition has sealed", async () => {
  await using empty = await freshStore(2);
  const query = { bucketMs: windowMs, order: "asc" as const, limit: 5 };
  const read = () => new PostgresStatsQueries(empty.database, windowMs).stats(query);
  empty.project();
  expect(await read()).toMatchObject({ rows: [], more: false, sealedThroughMs: undefined });
  await new Writer(empty.partitions, 0).commit([sealed()]);
  await empty.projected();
  expect((await read()).sealedThroughMs).toBeUndefined();
  await new Writer(empty.partitions, 1).commit([], { sealedThroughMs: firstEndMs - windowMs });
  await empty.projected();
  expect((await read()).sealedThroughMs).toBe(firstEndMs - windowMs);
});
