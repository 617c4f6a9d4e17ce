/** Every number explained, on the whole system: rows, receipts and actors as they were. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import type { Payload } from "../../src/domain/payload.ts";
import { asList, asObject, type Json, readObject } from "../support/answers.ts";
import { examplePayload, getPage } from "../support/api.ts";
import { type DocumentedFetch, documentedFetch } from "../support/documented.ts";
import { type NaiveMessage, naiveRows } from "../support/naiveModel.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { readStreams, type StoredMessage } from "../support/streamReader.ts";
import { sealedThroughMs } from "../support/tables.ts";
import { until } from "../support/until.ts";

const windowMs = 2_000;
const partitions = 4;
let site: TestSite;
let running: TestProcess;
let admin: DocumentedFetch;
let messages: readonly StoredMessage[] = [];
/** By customer and content. */
const receipts: {
  readonly receipt: string;
  readonly repeats: boolean;
  readonly content: string;
}[] = [];

beforeAll(async () => {
  site = await testSite({ WINDOW: "2s", PARTITIONS: String(partitions) });
  running = await site.start();
  admin = documentedFetch(running.adminUrl);
  for (let i = 0; i < 300; i++) {
    const content = `channel ${i % 5}`;
    const payload = { ...examplePayload, content, token: `t${i % 40}`, cdn: i, p2p: i % 3 };
    const key = i % 10 === 0 ? { "idempotency-key": `k${i}` } : undefined;
    receipts.push({ receipt: await receiptOf(payload, key), repeats: false, content });
    if (key !== undefined) {
      receipts.push({ receipt: await receiptOf(payload, key), repeats: true, content });
    }
    await Bun.sleep(20);
  }
  await sealed();
  messages = await readStreams(running.natsUrl, partitions);
}, 90_000);
afterAll(() => site.clear());

async function receiptOf(payload: Payload, headers: Record<string, string> = {}) {
  const response = await fetch(`${running.url}/stats`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(payload),
  });
  return String((await readObject(response)).receipt);
}

/** Waits until all that was sent by now is in the tables. */
async function sealed(): Promise<void> {
  const nowMs = Date.now();
  await until(async () => (await sealedThroughMs(running.databaseUrl)) > nowMs, {
    what: "everything to be sealed",
    timeoutMs: 20_000,
  });
}

async function ask(path: string): Promise<Json> {
  return await readObject(await admin(path));
}

function explainPath(row: { time: string; customer: string; content: string }): string {
  const { time, customer, content } = row;
  return `/admin/explain?${new URLSearchParams({ time, customer, content })}`;
}

describe("explain", () => {
  test("adds the payloads of every row up again, and agrees", async () => {
    const { rows } = await getPage(`${running.url}/stats?limit=500`);
    expect(rows.length).toBeGreaterThan(10);
    for (const row of rows) {
      const found = await ask(explainPath(row));
      expect(found).toMatchObject({
        state: "sealed",
        agrees: true,
        differences: [],
        compared: ["event", "stats", "sessions"],
        basis: { kind: "whole-stream" },
        row: { cdn: String(row.cdn), p2p: String(row.p2p) },
      });
      expect(Number(found.sealedAfterMs)).toBeGreaterThan(0);
      const payloads = asList(found.payloads).map(asObject);
      expect(payloads.length).toBe(Number(found.payloadsTotal));
      const counted = payloads.filter(({ outcome }) => outcome === "counted");
      expect(counted.reduce((sum, { cdn }) => sum + Number(cdn), 0)).toBe(Number(row.cdn));
      const event = asObject(found.event);
      const data = asObject(event.data);
      expect(data).toEqual(asObject(found.replayed));
      expect(counted.length).toBe(Number(data.payloads));
      expect(payloads.length - counted.length).toBe(Number(data.duplicates));
    }
  }, 60_000);

  test("masks tokens unless they are asked for", async () => {
    const { rows } = await getPage(`${running.url}/stats?limit=1`);
    const path = explainPath(rows[0] ?? { time: "", customer: "", content: "" });
    expect(JSON.stringify(await ask(path))).not.toMatch(/"t\d+"/);
    expect(JSON.stringify(await ask(`${path}&tokens=shown`))).toMatch(/"t\d+"/);
  });

  test("says that a window is open, and that it knows nothing of another", async () => {
    let asked = 0;
    const askWhileOpen = async () => {
      const payload = { ...examplePayload, customer: `open-${asked++}` };
      const fate = await ask(`/admin/receipts/${await receiptOf(payload)}`);
      const found = await ask(explainPath({ ...payload, time: String(fate.windowEnd) }));
      // It may have ended before it was asked for.
      return found.state === "open" ? found : undefined;
    };
    const found = await until(askWhileOpen, { what: "an open window", timeoutMs: 20_000 });
    expect(found).toMatchObject({
      event: null,
      replayed: { cdn: "1", payloads: 1 },
      payloadsTotal: 1,
    });
    const other = await admin(explainPath({ ...examplePayload, time: "2026-01-01T00:00:00Z" }));
    expect(other.status).toBe(404);
  }, 30_000);

  test("names what was changed by hand", async () => {
    const { rows } = await getPage(`${running.url}/stats?customer=Customer1&limit=1`);
    const [row] = rows;
    if (row === undefined) throw new Error("no row");
    const sql = postgres(running.databaseUrl, { max: 1 });
    const { time, customer, content } = row;
    await sql`
      update stats set cdn = cdn + 7
      where time = ${time} and customer = ${customer} and content = ${content}
    `;
    expect(await ask(explainPath(row))).toMatchObject({
      agrees: false,
      differences: [
        {
          what: "stats",
          field: "cdn",
          recorded: String(Number(row.cdn) + 7),
          expected: String(row.cdn),
        },
      ],
    });
    await sql`
      update stats set cdn = cdn - 7
      where time = ${time} and customer = ${customer} and content = ${content}
    `;
    await sql.end();
  });
});

describe("a receipt", () => {
  test("leads to its event and its row, or to what it repeats", async () => {
    for (const [i, { receipt, repeats, content }] of receipts.entries()) {
      if (i % 7 !== 0 && !repeats) continue;
      const fate = await ask(`/admin/receipts/${receipt}`);
      const status = repeats ? "duplicate" : "sealed";
      expect(fate).toMatchObject({ receipt, status, customer: "Customer1", content });
      if (repeats) expect(fate.duplicateOf).toBe(receipts[i - 1]?.receipt ?? "");
      if (repeats) continue;
      const query = new URLSearchParams({ customer: "Customer1", content, limit: "500" });
      const { rows } = await getPage(`${running.url}/stats?${query}`);
      expect(rows.map(({ time }) => time)).toContain(String(fate.windowEnd));
      expect(asObject(fate.event).windowEnd).toBe(String(fate.windowEnd));
    }
  }, 60_000);

  test("of a payload that was just sent is open, and was never given beyond the end", async () => {
    const receipt = await receiptOf({ ...examplePayload, customer: "just now" });
    const fate = await until(
      async () => {
        const found = await ask(`/admin/receipts/${receipt}`);
        return found.status === "unread" ? undefined : found;
      },
      { what: "the payload to be read" },
    );
    expect(["open", "sealed"]).toContain(String(fate.status));
    const never = `${receipt.split(".")[0]}.9999999.0`;
    expect((await admin(`/admin/receipts/${never}`)).status).toBe(404);
  });
});

/** The sums of a customer's content over some messages. */
function naiveSums(
  some: readonly NaiveMessage[],
  content: string,
  isWanted: (end: number) => boolean,
) {
  const rows = [...naiveRows(some, windowMs, 86_400_000 / windowMs)]
    .map(([name, row]) => ({ name: JSON.parse(name), row }))
    .filter(({ name }) => name[1] === "Customer1" && name[2] === content && isWanted(name[0]));
  const sum = (field: "cdn" | "p2p") =>
    rows.reduce((total, { row }) => total + row[field], 0n).toString();
  return {
    windows: rows.length,
    cdn: sum("cdn"),
    p2p: sum("p2p"),
    sessions: rows.reduce((total, { row }) => total + row.sessions, 0),
    payloads: rows.reduce((total, { row }) => total + row.payloads, 0),
  };
}

describe("an actor as it was", () => {
  test("at past moments equals the naive fold", async () => {
    const own = messages.filter(({ payloads }) =>
      payloads.some(({ customer }) => customer === "Customer1"),
    );
    const first = own[0]?.timeMs ?? 0;
    const last = own.at(-1)?.timeMs ?? 0;
    const moments = [0.15, 0.5, 0.8].map((part) => Math.floor(first + (last - first) * part));
    for (const at of moments) {
      for (const content of ["channel 0", "channel 3"]) {
        const past = await ask(`/admin/actors/Customer1/${encodeURIComponent(content)}?at=${at}`);
        const stream = messages.filter(
          ({ partition, timeMs }) => partition === Number(past.partition) && timeMs <= at,
        );
        const startMs = Math.floor(at / windowMs) * windowMs;
        const before = naiveSums(stream, content, (end) => end <= startMs);
        expect(past.totals).toMatchObject({
          windows: before.windows,
          cdn: before.cdn,
          p2p: before.p2p,
          sessions: String(before.sessions),
          payloads: String(before.payloads),
        });
        const open = naiveSums(stream, content, (end) => end > startMs);
        const { windows: _, ...window } = open;
        expect(past.state).toBe(open.windows === 0 ? "idle" : "open");
        if (open.windows === 0) expect(past.window).toBeNull();
        else expect(past.window).toMatchObject(window);
      }
    }
  }, 30_000);

  test("at every position equals the fold of the events until there", async () => {
    const path = "/admin/actors/Customer1/channel%200";
    const now = await ask(path);
    const { events } = await ask(`/admin/events?partition=${now.partition}&order=asc&limit=1000`);
    const list = asList(events).map(asObject);
    let cdn = 0n;
    let windows = 0;
    for (const event of list) {
      if (event.customer === "Customer1" && event.content === "channel 0") {
        cdn += BigInt(String(asObject(event.data).cdn));
        windows++;
      }
      const response = await admin(`${path}?at=${event.position}`);
      if (response.status === 404) {
        expect(windows).toBe(0);
        continue;
      }
      const past = await readObject(response);
      expect(past.totals).toMatchObject({ windows, cdn: cdn.toString() });
      expect(["idle", "sealing"]).toContain(String(past.state));
    }
    expect(windows).toBeGreaterThan(2);
  }, 30_000);
});
