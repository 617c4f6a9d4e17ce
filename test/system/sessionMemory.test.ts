/** SESSION_MEMORY is changed between two runs, and every number can still be explained. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { asList, asObject, type Json, readObject } from "../support/answers.ts";
import { examplePayload, getPage, postOne } from "../support/api.ts";
import { payloadStats } from "../support/cli.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { sealedThroughMs } from "../support/tables.ts";
import { until } from "../support/until.ts";

// Whole processes are started, and windows have to pass.
setDefaultTimeout(90_000);

const windowMs = 1_000;
let site: TestSite | undefined;
afterAll(() => site?.clear());

/** Sends a young token, and waits until so many windows after it are sealed as well. */
async function send({ url, databaseUrl }: TestProcess, windows = 4): Promise<void> {
  const sentMs = Date.now();
  for (const content of ["a", "b"]) {
    await postOne(url, { ...examplePayload, content, cdn: 1, sessionDuration: 1 });
  }
  await until(async () => (await sealedThroughMs(databaseUrl)) > sentMs + windows * windowMs, {
    what: "the memory of two windows to have forgotten",
    timeoutMs: 20_000,
  });
}

async function json(running: TestProcess, ...args: string[]): Promise<Json> {
  const result = await payloadStats([...args, "-o", "json"], {
    DATABASE_URL: running.databaseUrl,
    NATS_URL: running.natsUrl,
    ADMIN_PORT: new URL(running.adminUrl).port,
  });
  if (result.code !== 0) throw new Error(`exit code ${result.code}: ${result.stderr}`);
  return { ...asObject(JSON.parse(result.stdout)), stderr: result.stderr };
}

test("audit, explain and what-if know what each window was counted under", async () => {
  site = await testSite({ WINDOW: "1s", PARTITIONS: "2" });
  let running = await site.start({ SESSION_MEMORY: "2s" });
  await send(running);
  await send(running);
  expect(await running.stop()).toBe(0);
  running = await site.start({ SESSION_MEMORY: "1h" });
  await send(running);
  await send(running, 1);

  const { rows } = await getPage(`${running.url}/sessions?order=asc&limit=100`);
  // Forgotten in between under the short memory, and found again in the events under the long one.
  expect(rows.map(({ sessions }) => Number(sessions))).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);

  const audit = await json(running, "audit");
  expect(audit.agrees).toBe(true);
  const memories = asList(audit.partitions)
    .map(asObject)
    .filter(({ events }) => Number(events) > 0)
    .map((one) => asList(one.sessionMemory).map((span) => asObject(span).value));
  for (const values of memories) expect(values).toEqual(["2s", "1h"]);
  expect(String(audit.stderr)).toContain("SESSION_MEMORY was 2s, then 1h");

  const firstOfNew = new Map<string, string>();
  for (const [index, { time = "", customer = "", content = "" }] of rows.entries()) {
    const row = new URLSearchParams({ time, customer, content });
    const found = await readObject(await fetch(`${running.adminUrl}/admin/explain?${row}`));
    const partition = String(found.partition);
    if (index >= 4 && !firstOfNew.has(partition)) firstOfNew.set(partition, time);
    // Whether the first window of a new memory was counted with it alone, nobody can tell.
    const later = firstOfNew.get(partition) === time ? null : "1h";
    expect(found).toMatchObject({ agrees: true, sessionMemory: index < 4 ? "2s" : later });
  }

  const tried = await json(running, "what-if", "--session-memory", "2s");
  expect(asObject(tried.totals)).toMatchObject({ sessions: "8", sessionsToday: "4" });
  const today = await json(running, "what-if");
  expect(asObject(today.totals)).toMatchObject({ sessions: "2", sessionsToday: "4" });
  expect(String(today.stderr)).toContain("SESSION_MEMORY was changed");
});
