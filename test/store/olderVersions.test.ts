/**
 * Questions about the past, over a log that holds events of an older version. That version was
 * never written by any program: its sums and counts stand where no reader looks for them, so
 * whoever reads `data` without asking for the newest version finds nothing.
 */
import { expect, test } from "bun:test";
import type { LogMessage } from "../../src/actors/ports.ts";
import { BatchBuilder, encodeTick } from "../../src/domain/envelope.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import { actorAt } from "../../src/replay/actorAt.ts";
import { auditPartition } from "../../src/replay/audit.ts";
import { explain } from "../../src/replay/explain.ts";
import { followReceipt } from "../../src/replay/receipt.ts";
import type { Past } from "../../src/replay/sources.ts";
import { PostgresAdminQueries } from "../../src/store/adminQueries.ts";
import { PostgresHistoryStore } from "../../src/store/history.ts";
import { PostgresLedgerStore } from "../../src/store/ledger.ts";
import { compareTables } from "../../src/store/tableAudit.ts";
import { memoryPast } from "../replay/memoryPast.ts";
import { logMessage, run } from "../support/streams.ts";
import { commitRaw, freshStore, type TestStore, windowMs } from "./support.ts";

const startMs = Date.UTC(2024, 0, 1, 10);
const rules = { windowMs, partitions: 1, sessionMemoryMs: 20 * windowMs };
const contents = ["a", "b", "c"];

/** Four windows of a payload or two for each content, and a tick after the last. */
function stream(): LogMessage[] {
  const messages = Array.from({ length: 8 }, (_, index) => {
    const batch = new BatchBuilder();
    for (const content of contents) {
      const token = `token ${index % 3}`;
      batch.add({
        customer: "Customer1",
        content,
        token,
        timespan: 30_000,
        p2p: index,
        cdn: 7,
        sessionDuration: 1,
      });
    }
    const timeMs = startMs + Math.floor(index / 2) * windowMs + (index % 2) * 1_000;
    return logMessage(index + 1, timeMs, batch.encode("test", index + 1));
  });
  return [...messages, logMessage(9, startMs + 4 * windowMs, encodeTick())];
}

/** An event as that version would have written it. */
function older({ data, ...event }: DomainEvent) {
  return { ...event, version: 0, data: { windowEnd: data.windowEnd, all: data } };
}

async function teach(store: TestStore): Promise<void> {
  await store.database.run((sql) =>
    sql
      .unsafe(
        `create or replace function event_data(p_type text, p_version int, p_data jsonb)
         returns jsonb language sql immutable parallel safe as $$
           select case
             when p_type = 'WindowSealed' and p_version = 0 then p_data -> 'all'
             when p_version = 1 then p_data
             else refuse_event_version(p_type, p_version)
           end
         $$`,
      )
      .simple(),
  );
}

async function olderPast(store: TestStore): Promise<{ past: Past; events: DomainEvent[] }> {
  const messages = stream();
  const { events, partition } = run(messages, rules);
  const memory = memoryPast({ stream: messages, events, rules });
  const { created } = await memory.streams.state(0);
  const outcome = await commitRaw(store, events.map(older), {
    expectedSequence: 0,
    expectedPosition: 0,
    sequence: 9,
    streamCreated: created,
    sealedThrough: new Date(startMs + 4 * windowMs),
    state: partition.save(),
  });
  expect(outcome).toBe("committed");
  const history = new PostgresHistoryStore(store.database);
  return { past: { ...memory, history, store: store.partitions }, events };
}

test("older events are explained, audited, followed, folded and counted like new ones", async () => {
  await using store = await freshStore(1);
  await teach(store);
  const { past, events } = await olderPast(store);
  store.project();
  await store.projected();

  const name = { customer: "Customer1", content: "b" };
  const page = { offset: 0, limit: 10, showTokens: false };
  for (const window of [1, 2, 3, 4]) {
    const windowEndMs = startMs + window * windowMs;
    const explained = await explain(past, { ...name, windowEndMs, ...page });
    expect(explained).toMatchObject({ agrees: true, compared: ["event", "stats", "sessions"] });
    expect(explained?.event).toMatchObject({ version: 0, data: { cdn: "14", payloads: 2 } });
  }
  // From the middle on, tokens come out of the older events.
  for (const fromMs of [undefined, startMs + 2 * windowMs]) {
    const audit = await auditPartition(past, 0, { fromMs });
    expect(audit).toMatchObject({ events: fromMs === undefined ? 12 : 6, differences: [] });
  }
  for (const table of await compareTables(store.database, windowMs, {})) {
    expect(table).toMatchObject({ differences: [] });
  }
  const fate = await followReceipt(
    past,
    { get: async () => undefined },
    { partition: 0, sequence: 3, index: 1 },
  );
  expect(fate).toMatchObject({
    status: "sealed",
    event: { data: { sessions: expect.anything() } },
  });
  const actor = await actorAt(past, name, { kind: "position", position: 9 }, 20);
  expect(actor).toMatchObject({ totals: { windows: 3, cdn: 42n, payloads: 6n } });
  const gone = await past.history.windowReaching(0, 3, 0);
  expect(gone).toEqual({ windowEndMs: startMs + 2 * windowMs, lastSequence: 4 });

  const queries = new PostgresAdminQueries(store.database);
  const [listed] = await queries.events({ partition: 0, limit: 1, order: "asc" });
  const { tokens: _, ...shown } = events[0]?.data ?? {};
  expect(listed).toMatchObject({ version: 0 });
  expect(listed?.data).toEqual(shown);
  expect(await past.history.event(0, 1)).toMatchObject({ data: events[0]?.data });
  const remembered = await Array.fromAsync(past.store.rememberedTokens(0, 0));
  expect(remembered.flat().map(({ tokens }) => tokens)).toEqual(
    events.map(({ data }) => data.tokens),
  );
  const endMs = startMs + 4 * windowMs;
  expect(await store.partitions.lastSealedSequence(0, endMs, Date.now() + 60_000)).toBe(8);
  const [entry] = await new PostgresLedgerStore(store.database).entries([], 100);
  expect(entry).toMatchObject({ read: 24, sealed: 24 });
});
