/** What becomes of a process when one of the threads that serve its port goes wrong. */

import { heapStats } from "bun:jsc";
import { afterEach, expect, test } from "bun:test";
import { readConfig } from "../../src/config.ts";
import { FurtherThread } from "../../src/serving/furtherThread.ts";
import { until } from "../support/until.ts";

const patience = {
  ...{ startMs: 2_000, stateMs: 50, closeMs: 50, finishMs: 50 },
  ...{ lookMs: 60, missesMax: 2 },
};
const first = { readiness: async () => [], alive: () => {} };
const started = new Set<FurtherThread>();

afterEach(async () => {
  await Promise.all([...started].map((thread) => thread.finish().catch(() => {})));
  started.clear();
});

/** A thread that goes wrong in a way of `oddThread.ts`, and what it was told to have failed. */
function oddThread(way: string, script = "oddThread.ts", changes: Partial<typeof patience> = {}) {
  const failures: string[] = [];
  const url = new URL(script, import.meta.url);
  const failed = ({ message }: Error) => void failures.push(message);
  const thread = new FurtherThread(url, failed, { ...patience, ...changes });
  started.add(thread);
  const place = { databaseUrl: "", natsUrl: "", port: 0, pending: new Int32Array(1) };
  const options = { config: readConfig({}), publisherId: way, ...place };
  return { thread, failures, start: () => thread.start(options, first) };
}

test("one that cannot start says why", async () => {
  await expect(oddThread("refuses").start()).rejects.toThrow("no broker answers");
});

test("one that fails while it starts cannot start", async () => {
  await expect(oddThread("fails early").start()).rejects.toThrow("has failed: a bug");
});

test("one whose program cannot be loaded says why", async () => {
  const { start, failures } = oddThread("", "brokenThread.ts");
  await expect(start()).rejects.toThrow(/has ended: [\s\S]*a module is missing/);
  expect(failures).toEqual([]);
});

test("one that never starts is not waited for", async () => {
  const { start } = oddThread("never starts", undefined, { startMs: 300 });
  await expect(start()).rejects.toThrow("did not answer within 300 ms");
});

test.each([
  ["fails", "a thread that serves PORT has failed: a bug"],
  ["ends", "a thread that serves PORT has ended"],
  ["hangs", "a thread that serves PORT does not answer"],
])("one that %s is reported, once", async (way, message) => {
  const { thread, start, failures } = oddThread(way);
  await start();
  await until(() => failures.length > 0, { what: "the failure to be reported" });
  // Whatever became of it, a stop is quick and says nothing more.
  await thread.close();
  await thread.finish();
  expect(failures).toEqual([message]);
});

test("one that never stops is ended, and is as it was meanwhile", async () => {
  const { thread, start } = oddThread("never stops");
  await start();
  const asked = (await thread.state())?.accepted ?? 0;
  await expect(thread.close()).rejects.toThrow("did not answer within 50 ms");
  await expect(thread.finish()).rejects.toThrow("did not answer within 50 ms");
  expect((await thread.state())?.accepted).toBe(asked);
});

test("one that is asked again and again keeps none of its answers", async () => {
  const { thread, start } = oddThread("well", undefined, { stateMs: 5_000, lookMs: 60_000 });
  await start();
  const promises = () => {
    Bun.gc(true);
    return heapStats().objectTypeCounts.Promise ?? 0;
  };
  const ask = async () => {
    for (let i = 0; i < 1_000; i++) await thread.state();
    return promises();
  };
  const before = await ask();
  expect((await ask()) - before).toBeLessThan(500);
});

test("one that is well is stopped without a word", async () => {
  const enough = { stateMs: 5_000, closeMs: 5_000, finishMs: 5_000, lookMs: 10 };
  const { thread, start, failures } = oddThread("well", undefined, enough);
  await start();
  let own = 0;
  const looks = async () => ((await thread.state())?.accepted ?? 0) - ++own;
  await until(async () => (await looks()) > 4, { what: "it to be looked at several times" });
  await thread.close();
  await thread.finish();
  expect(failures).toEqual([]);
});
