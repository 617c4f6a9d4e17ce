/** Several threads on one port: all give the same answers, and every payload counts once. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { asList, asObject, readObject } from "../support/answers.ts";
import { examplePayload, getPage } from "../support/api.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { readStreams } from "../support/streamReader.ts";
import { readTables, sealedThroughMs } from "../support/tables.ts";
import { until } from "../support/until.ts";

const threads = 3;
const payloads = 300;
let site: TestSite;
let running: TestProcess;

beforeAll(async () => {
  site = await testSite({ WINDOW: "2s", PARTITIONS: "2", HTTP_THREADS: String(threads) });
  running = await site.start();
}, 60_000);
afterAll(() => site.clear());

/** On a connection of its own, which any of the threads may get. */
function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { ...init, headers: { ...init.headers, connection: "close" } });
}

function send(url: string, payload: unknown): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return ask(`${url}/stats`, { method: "POST", headers, body: JSON.stringify(payload) });
}

/** What `/metrics` says of a counter with one label. */
async function counted(name: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${running.adminUrl}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^payload_stats_${name}{\\w+="([^"]+)"} (\\d+)$`, "gm"));
  return Object.fromEntries([...lines].map(([, label = "", value]) => [label, Number(value)]));
}

/** Each payload has one byte and begins a session. */
async function sums(): Promise<{ cdn: number; sessions: number }> {
  const rows = [...(await readTables(running.databaseUrl)).values()];
  const sum = (values: readonly (number | bigint)[]) =>
    values.reduce<number>((total, value) => total + Number(value), 0);
  return { cdn: sum(rows.map(({ cdn }) => cdn)), sessions: sum(rows.map((row) => row.sessions)) };
}

const tables = { what: "all payloads to be in the tables", timeoutMs: 20_000 };

test("what several threads take is counted once, and told the same by all", async () => {
  const { url } = running;
  const answers = await Promise.all(
    Array.from({ length: payloads }, (_, i) => send(url, { ...examplePayload, token: `t-${i}` })),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  expect(new Set(await Promise.all(answers.map((one) => one.text()))).size).toBe(payloads);
  const refused = await Promise.all(Array.from({ length: 30 }, () => send(url, { token: "" })));
  expect(refused.every(({ status }) => status === 422)).toBe(true);

  const publishers = (await readStreams(running.natsUrl, 2)).map(({ publisher }) => publisher);
  expect(new Set(publishers).size).toBe(threads);
  expect(await counted("accepted_total")).toEqual({ ingest: payloads });
  expect(await counted("refused_total")).toEqual({ "invalid-payload": 30 });

  // The two tables are projected one apart from the other.
  const areSealed = async () => {
    const { cdn, sessions } = await sums();
    return cdn >= payloads && sessions >= payloads;
  };
  await until(areSealed, tables);
  expect(await sums()).toEqual({ cdn: payloads, sessions: payloads });
  const pages = Array.from({ length: 20 }, () => getPage(`${url}/stats?limit=1`));
  expect(new Set((await Promise.all(pages)).map(({ rows: [row] }) => row?.content))).toEqual(
    new Set([examplePayload.content]),
  );
  const isReady = async () => (await ask(`${url}/readyz`)).ok;
  await until(isReady, { what: "the process to be ready" });
  for (const path of ["/readyz", "/livez"]) {
    const asked = await Promise.all(Array.from({ length: 20 }, () => ask(url + path)));
    expect(asked.map(({ status }) => status)).toEqual(asked.map(() => 200));
    const bodies = await Promise.all(asked.map(readObject));
    // What changes from one moment to the next stands in the details.
    const checks = bodies.map((body) =>
      asList(body.checks ?? []).map((check) => asObject(check).name),
    );
    expect(new Set(checks.map(String)).size).toBe(1);
  }
}, 60_000);

test("a Postgres that hangs is named by all threads", async () => {
  const { url, databaseUrl } = running;
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    await sql.begin(async (transaction) => {
      await transaction`lock table projections`;
      const asked = Array.from({ length: 20 }, async () => readObject(await ask(`${url}/readyz`)));
      for (const { checks } of await Promise.all(asked)) {
        const red = asList(checks)
          .map(asObject)
          .filter(({ ok }) => ok === false);
        expect(red.map(({ name }) => name)).toContain("postgres");
      }
    });
  } finally {
    await sql.end();
  }
}, 60_000);

test("a stop lets all threads answer what they have taken, and counts it", async () => {
  const before = (await sums()).cdn;
  const statuses: number[] = [];
  const devices = Array.from({ length: 48 }, async (_, device) => {
    for (let i = 0; ; i++) {
      const payload = { ...examplePayload, token: `${device}-${i}` };
      const answer = await send(running.url, payload).catch(() => undefined);
      // Nobody listens any more.
      if (answer === undefined) return;
      statuses.push(answer.status);
    }
  });
  await until(() => statuses.length > 500, { what: "payloads to be answered" });
  expect(await running.stop()).toBe(0);
  await Promise.all(devices);
  const stoppedMs = Date.now();
  expect(new Set(statuses)).toEqual(new Set([202]));

  running = await site.start();
  const sealed = async () => (await sealedThroughMs(running.databaseUrl)) > stoppedMs;
  await until(sealed, { what: "the windows to be sealed", timeoutMs: 20_000 });
  // What was stored was answered too.
  expect((await sums()).cdn - before).toBe(statuses.length);
}, 60_000);
