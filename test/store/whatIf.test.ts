/** Up to when the tables of today show what is sealed. */
import { expect, test } from "bun:test";
import { PostgresProjectionControl } from "../../src/store/projectionControl.ts";
import { PostgresWhatIfStore } from "../../src/store/whatIf.ts";
import { until } from "../support/until.ts";
import { firstEndMs, freshStore, Writer, windowMs, windowOf } from "./support.ts";

test("the tables show windows through the one that the slower projection has applied", async () => {
  await using store = await freshStore(1);
  const whatIf = new PostgresWhatIfStore(store.database);
  expect(await whatIf.shownThrough()).toBe(0);
  const writer = new Writer(store.partitions, 0);
  await writer.commit(windowOf(0, 2, firstEndMs));
  const projector = store.project();
  await store.projected();
  expect(await whatIf.shownThrough()).toBe(firstEndMs);
  const control = new PostgresProjectionControl(store.database);
  // A step that had begun before the pause would still be done.
  await projector.stop();
  await control.pause("stats");
  store.project();
  await writer.commit(windowOf(0, 2, firstEndMs + windowMs));
  const sessions = () => store.database.run((sql) => sql`select from sessions`);
  await until(async () => (await sessions()).length === 4, { what: "sessions to have gone on" });
  expect(await whatIf.shownThrough()).toBe(firstEndMs);
  await control.resume("stats");
  await store.projected();
  expect(await whatIf.shownThrough()).toBe(firstEndMs + windowMs);
});

test("a table that a run has left looks complete only when it was completed", async () => {
  await using store = await freshStore(1);
  const whatIf = new PostgresWhatIfStore(store.database);
  const about = { windowMs, countTokenOnce: true, sessionMemoryMs: 1, fromMs: 0, toMs: windowMs };
  const table = await whatIf.create(about);
  const row = { customer: "c", content: "1", cdn: "1", p2p: "2", sessions: 3 };
  await whatIf.append(table, [{ ...row, time: new Date(windowMs).toISOString() }]);
  expect(await whatIf.list()).toMatchObject([{ table, about, isComplete: false, rows: 1 }]);
  await whatIf.complete(table, about);
  expect(await whatIf.list()).toMatchObject([{ table, about, isComplete: true, rows: 1 }]);
});
