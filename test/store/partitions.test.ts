import { describe, expect, test } from "bun:test";
import type { RememberedTokens } from "../../src/actors/ports.ts";
import { PostgresAdminQueries } from "../../src/store/adminQueries.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresPartitionStore } from "../../src/store/partitions.ts";
import { testLog } from "../support/servers.ts";
import { until } from "../support/until.ts";
import {
  firstEndMs,
  freshStore,
  holdPartition,
  sealed,
  type TestStore,
  Writer,
  windowMs,
} from "./support.ts";

async function tokensAfter(store: TestStore, partition: number, afterMs: number) {
  const pages: (readonly RememberedTokens[])[] = [];
  for await (const page of store.partitions.rememberedTokens(partition, afterMs)) pages.push(page);
  return pages;
}

describe("remembered tokens", () => {
  test("are those of the windows that end after the time, in order of positions", async () => {
    await using store = await freshStore(2);
    const [writer, other] = [0, 1].map((partition) => new Writer(store.partitions, partition));
    for (let window = 0; window < 5; window += 1) {
      const windowEndMs = firstEndMs + window * windowMs;
      const events = ["a", "b"].map((content) =>
        sealed({ content, windowEndMs, tokens: `${content}${window}` }),
      );
      await writer?.commit(events);
      await other?.commit([sealed({ content: "other", windowEndMs, tokens: "other" })]);
    }
    const [page = []] = await tokensAfter(store, 0, firstEndMs + 2 * windowMs);
    expect(page.map(({ tokens }) => tokens)).toEqual(["a3", "b3", "a4", "b4"]);
    expect(page[0]?.windowEndMs).toBe(firstEndMs + 3 * windowMs);
    expect((await tokensAfter(store, 0, 0)).flat()).toHaveLength(10);
    expect(await tokensAfter(store, 0, firstEndMs + 4 * windowMs)).toEqual([]);
  });

  test("come in pages bounded in rows and in bytes", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    const many = Array.from({ length: 4_500 }, (_, index) =>
      sealed({ content: `${index}`, tokens: `${index}` }),
    );
    await writer.commit(many);
    // Three events of 5 MB each, so no two of them share a page with a third.
    const large = ["x", "y", "z"].map((content) =>
      sealed({ content, windowEndMs: firstEndMs + windowMs, tokens: content.repeat(5_000_000) }),
    );
    await writer.commit(large);
    const pages = await tokensAfter(store, 0, 0);
    expect(pages.flat().map(({ tokens }) => tokens.slice(0, 8))).toEqual(
      [...many, ...large].map(({ data }) => data.tokens.slice(0, 8)),
    );
    const bytes = pages.map((page) => page.reduce((sum, { tokens }) => sum + tokens.length, 0));
    expect(Math.max(...bytes)).toBeLessThan(14_000_000);
    expect(Math.max(...pages.map(({ length }) => length))).toBeLessThanOrEqual(2_000);
  });
});

test("a checkpoint that does not come in time is asked for once more, with more time", async () => {
  await using store = await freshStore(1);
  const options = { url: store.url, applicationName: "hasty", connectionsMax: 1, log: testLog };
  const database = new Database({ ...options, deadlineMs: 100 });
  const release = await holdPartition(store.url, 0);
  const loading = new PostgresPartitionStore(database).load(0);
  await until(
    async () => {
      const waiting = await store.database.run(
        (sql) => sql`
          select from pg_stat_activity
          where application_name = 'hasty' and wait_event_type = 'Lock'
            and query_start < clock_timestamp() - interval '500 ms'
        `,
      );
      return waiting.length > 0;
    },
    { what: "the checkpoint has been waited for for long" },
  );
  await release();
  expect(await loading).toMatchObject({ sequence: 0, state: undefined });
  await database.close();
});

test("the last sealed sequence is that of the last window up to a time", async () => {
  await using store = await freshStore(2);
  const writer = new Writer(store.partitions, 0);
  await writer.commit([
    sealed({ content: "a", lastSequence: 17 }),
    sealed({ content: "b", lastSequence: 12 }),
  ]);
  await writer.commit([sealed({ windowEndMs: firstEndMs + 2 * windowMs, lastSequence: 90 })]);
  const last = (ms: number, partition = 0, sealedMs = Date.now() + 60_000) =>
    store.partitions.lastSealedSequence(partition, ms, sealedMs);
  expect(await last(firstEndMs - 1)).toBe(0);
  expect(await last(firstEndMs)).toBe(17);
  expect(await last(firstEndMs + windowMs)).toBe(17);
  expect(await last(firstEndMs + 2 * windowMs)).toBe(90);
  expect(await last(firstEndMs, 1)).toBe(0);
  // The windows of 2024 were sealed now, as after a long downtime.
  expect(await last(firstEndMs, 0, Date.now() - 60_000)).toBe(0);
});

describe("for the admin API", () => {
  test("partitions tell owner, checkpoint and why they are stopped", async () => {
    await using store = await freshStore(2);
    const admin = new PostgresAdminQueries(store.database);
    const writer = new Writer(store.partitions, 1);
    await writer.commit([sealed()], { sequence: 5 });
    await store.partitions.markStopped(1, 0, {
      reason: "the stream was re-created",
      isHalted: true,
    });
    await store.partitions.markStopped(1, 7, {
      reason: "another epoch has no say",
      isHalted: true,
    });
    const [idle, stopped] = await admin.partitions();
    expect(idle).toEqual({
      partition: 0,
      owner: null,
      epoch: 0,
      sequence: 0,
      position: 0,
      sealedThrough: null,
      checkpointedAt: null,
      stopped: null,
      halted: false,
    });
    expect(stopped).toMatchObject({
      sequence: 5,
      position: 1,
      sealedThrough: new Date(firstEndMs).toISOString(),
      stopped: "the stream was re-created",
    });
    await writer.commit([]);
    expect((await admin.partitions())[1]?.stopped).toBeNull();
  });

  test("events are found by partition, by actor, and by when they were recorded", async () => {
    await using store = await freshStore(2);
    const admin = new PostgresAdminQueries(store.database);
    const writers = [0, 1].map((partition) => new Writer(store.partitions, partition));
    for (let window = 0; window < 3; window += 1) {
      for (const writer of writers) {
        const windowEndMs = firstEndMs + window * windowMs;
        const customer = `c${writer.partition}`;
        await writer.commit(
          ["a", "b"].map((content) => sealed({ customer, content, windowEndMs })),
        );
      }
    }
    const places = async (query: object, order: "asc" | "desc" = "asc") => {
      const events = await admin.events({ limit: 100, order, ...query });
      return events.map(({ partition, position }) => `${partition}.${position}`);
    };
    expect(await places({ partition: 1 })).toEqual(["1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]);
    expect(await places({ partition: 1, afterPosition: 4 })).toEqual(["1.5", "1.6"]);
    expect(await places({ partition: 1, afterPosition: 3 }, "desc")).toEqual(["1.2", "1.1"]);
    expect(await places({ partition: 0, content: "b" })).toEqual(["0.2", "0.4", "0.6"]);
    expect(await places({ customer: "c1", content: "a" }, "desc")).toEqual(["1.5", "1.3", "1.1"]);
    const actor = { partition: 1, customer: "c1", content: "a" };
    expect(await places({ ...actor, afterPosition: 1 })).toEqual(["1.3", "1.5"]);
    expect(await places({ ...actor, afterPosition: 5 }, "desc")).toEqual(["1.3", "1.1"]);
    expect(await places({ customer: "c0", limit: 3 })).toEqual(["0.1", "0.2", "0.3"]);
    expect(await places({ limit: 3 })).toEqual(["0.1", "0.2", "1.1"]);
    expect(await places({ limit: 3 }, "desc")).toEqual(["1.6", "1.5", "0.6"]);
    expect(await places({ customer: "nobody" })).toEqual([]);

    const [event] = await admin.events({ partition: 1, afterPosition: 1, limit: 1, order: "asc" });
    const { tokens: _, ...shown } = sealed({ customer: "c1", content: "b" }).data;
    expect(event).toMatchObject({
      partition: 1,
      position: 2,
      type: "WindowSealed",
      version: 1,
      customer: "c1",
      content: "b",
      windowEnd: new Date(firstEndMs).toISOString(),
      data: shown,
      sealedBy: "worker-1",
      epoch: 0,
    });
  });
});
