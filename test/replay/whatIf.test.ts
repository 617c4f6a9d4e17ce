/** The numbers under other rules: which windows are beside today's, and what a failure leaves. */
import { expect, test } from "bun:test";
import { PayloadGap } from "../../src/actors/ports.ts";
import type { WhatIfAbout, WhatIfRow, WhatIfStore } from "../../src/actors/whatIfPorts.ts";
import type { Past } from "../../src/replay/sources.ts";
import { type WhatIfQuery, whatIf } from "../../src/replay/whatIf.ts";
import { run, streamOf } from "../support/streams.ts";
import { memoryPast } from "./memoryPast.ts";

const windowMs = 30_000;
const startMs = 1_800_000_000_000;
const rules = { windowMs, partitions: 1, sessionMemoryMs: 60 * windowMs };
const windows = 4;
const endMs = startMs + windows * windowMs;
const payload = { customer: "Customer1", content: "channel1", timespan: 1, sessionDuration: 1 };
const messages = Array.from({ length: windows }, (_, window) => ({
  timeMs: startMs + window * windowMs,
  publisher: "p",
  number: window + 1,
  payloads: [{ ...payload, token: "t", cdn: window + 1, p2p: 0 }],
}));
const stream = streamOf(messages, endMs);
const { events } = run(stream, rules);
const nothing = { cdn: 0n, p2p: 0n, sessions: 0n };

class MemoryWhatIf implements WhatIfStore {
  readonly completed = new Set<string>();
  readonly tables = new Map<string, { about: WhatIfAbout; rows: WhatIfRow[] }>();

  constructor(private readonly shownMs = endMs) {}

  async shownThrough() {
    return this.shownMs;
  }

  async create(about: WhatIfAbout) {
    this.tables.set("what_if_1", { about, rows: [] });
    return "what_if_1";
  }

  async append(table: string, rows: readonly WhatIfRow[]) {
    this.tables.get(table)?.rows.push(...rows);
  }

  async complete(table: string) {
    this.completed.add(table);
  }

  async compare() {
    const equal = { buckets: 0, bytesEqual: 0, sessionsEqual: 0 };
    return { ...equal, whatIf: nothing, today: nothing, pairs: [] };
  }

  async list() {
    return [...this.tables].map(([table, { about, rows }]) => ({
      table,
      about,
      isComplete: this.completed.has(table),
      rows: rows.length,
    }));
  }

  async drop(table: string) {
    this.tables.delete(table);
  }

  /** Ends of windows. */
  get times(): readonly number[] {
    return [...this.tables.values()].flatMap(({ rows }) =>
      rows.map(({ time }) => Date.parse(time)),
    );
  }
}

function ask(store: WhatIfStore, query: Partial<WhatIfQuery> = {}, past?: Past) {
  const asked = { ...rules, countTokenOnce: false, limit: 20, ...query };
  return whatIf(past ?? memoryPast({ stream, events, rules }), store, asked);
}

function ends(...numbers: readonly number[]): number[] {
  return numbers.map((number) => startMs + number * windowMs);
}

test("every sealed window is beside today's", async () => {
  const store = new MemoryWhatIf();
  expect(await ask(store)).toMatchObject({ rows: windows, tablesBehind: false });
  expect(store.times).toEqual(ends(1, 2, 3, 4));
});

test("windows that the tables do not show yet are left out, and that is said", async () => {
  const store = new MemoryWhatIf(startMs + 2 * windowMs + 1);
  expect(await ask(store)).toMatchObject({ rows: 2, tablesBehind: true });
  expect(store.times).toEqual(ends(1, 2));
  const none = await ask(new MemoryWhatIf(startMs), { fromMs: startMs });
  expect(none).toEqual({ reason: expect.stringContaining("do not show these windows yet") });
});

test("a range holds the windows that start in it", async () => {
  const store = new MemoryWhatIf();
  const range = { fromMs: startMs + windowMs, toMs: startMs + 2 * windowMs + 1 };
  expect(await ask(store, range)).toMatchObject({ rows: 2, tablesBehind: false });
  expect(store.times).toEqual(ends(2, 3));
});

test("the range that is compared holds whole buckets of both windows", async () => {
  const iso = (timeMs: number) => new Date(timeMs).toISOString();
  const inside = { windowMs: 10_000, fromMs: startMs + 10_000, toMs: startMs + 75_000 };
  expect(await ask(new MemoryWhatIf(), inside)).toMatchObject({
    from: iso(startMs + 10_000),
    to: iso(startMs + 80_000),
    compared: { from: iso(startMs + windowMs), to: iso(startMs + 2 * windowMs) },
  });
  const narrow = { windowMs: 10_000, fromMs: startMs + 10_000, toMs: startMs + 45_000 };
  expect(await ask(new MemoryWhatIf(), narrow)).toMatchObject({ compared: null });
});

test("a table is complete when all of its rows are there, and not before", async () => {
  const store = new MemoryWhatIf();
  const during: (boolean | undefined)[] = [];
  const progress = async () => {
    during.push(...(await store.list()).map(({ isComplete }) => isComplete));
  };
  const query = { ...rules, countTokenOnce: false, limit: 20 };
  await whatIf(memoryPast({ stream, events, rules }), store, query, progress);
  expect(during).toEqual([false]);
  expect(await store.list()).toMatchObject([{ isComplete: true, rows: windows }]);
});

test("a run that fails leaves no table that looks like a whole one", async () => {
  const store = new MemoryWhatIf();
  const past = memoryPast({ stream, events, rules });
  const streams = { ...past.streams, feed: () => failing() };
  await expect(ask(store, {}, { ...past, streams })).rejects.toThrow("the broker is gone");
  expect(await store.list()).toEqual([]);
});

test("a run whose first payloads are dropped meanwhile begins later", async () => {
  const store = new MemoryWhatIf();
  const past = memoryPast({ stream, events, rules });
  let runs = 0;
  const gap = new PayloadGap(0, 1, 2);
  const feed: Past["streams"]["feed"] = (partition, from, verify) =>
    runs++ === 0 ? failing(gap) : past.streams.feed(partition, from, verify);
  const found = await ask(
    store,
    { fromMs: startMs },
    { ...past, streams: { ...past.streams, feed } },
  );
  expect(found).toMatchObject({ from: new Date(startMs + 2 * windowMs).toISOString() });
  expect(store.times).toEqual(ends(3, 4));
  const always = { ...past.streams, feed: () => failing(gap) };
  await expect(ask(store, {}, { ...past, streams: always })).rejects.toThrow(gap);
});

function failing(error = new Error("the broker is gone")) {
  const next = () => Promise.reject(error);
  return { next, restart: () => {}, stop: async () => {} };
}
