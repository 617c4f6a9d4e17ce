/** Exactly-once effect, shown on the whole system: killed at random moments, under load. */
import { afterAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { type NaiveRow, naiveRows } from "../support/naiveModel.ts";
import { type TestSite, testSite } from "../support/process.ts";
import { readStreams, type StoredMessage } from "../support/streamReader.ts";
import { readTables, sealedThroughMs, withoutPayloads } from "../support/tables.ts";
import { until } from "../support/until.ts";

const windowMs = 2_000;
const partitions = 4;
const kills = 10;
let site: TestSite | undefined;

afterAll(() => site?.clear());

interface Sent {
  readonly cdn: number;
  readonly content: string;
  readonly receipt: string | undefined;
}

/** Sends payloads one after the other until stopped; every one has bytes of its own. */
async function sendLoop(url: () => string, lane: number, sent: Sent[], signal: AbortSignal) {
  for (let i = 0; !signal.aborted; i++) {
    const cdn = lane * 1_000_000 + i;
    const content = `channel ${i % 7}`;
    const body = { token: `${lane}-${i % 50}`, customer: "Customer1", content, timespan: 30_000 };
    const receipt = await fetch(`${url()}/stats`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...body, p2p: i % 3, cdn, sessionDuration: i % 5 === 0 ? 0 : 60_000 }),
    }).then(
      async (response) => (response.status === 202 ? await response.text() : undefined),
      () => undefined,
    );
    sent.push({ cdn, content, receipt });
    // While the process is down every request fails at once; there is no use in a million of them.
    if (receipt === undefined) await Bun.sleep(20);
  }
}

function timesStored(messages: readonly StoredMessage[]): Map<number, number> {
  const times = new Map<number, number>();
  const lastNumbers = new Map<string, number>();
  for (const { partition, publisher, number, payloads } of messages) {
    const lane = `${partition} ${publisher}`;
    if (number <= (lastNumbers.get(lane) ?? 0)) continue;
    lastNumbers.set(lane, number);
    for (const { cdn } of payloads) times.set(cdn, (times.get(cdn) ?? 0) + 1);
  }
  return times;
}

/** True when nobody takes connections. */
function isClosed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("error", () => resolve(true));
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
  });
}

describe("kill -9 of `bun start` alone", () => {
  test("ends the service too, and the next start goes on", async () => {
    const site = await testSite({ WINDOW: "1s" });
    try {
      const command = [process.execPath, "start"];
      const { pid, url, databaseUrl, natsUrl } = await site.start({}, command);
      process.kill(pid, "SIGKILL");
      for (const address of [url, databaseUrl, natsUrl]) {
        const port = Number(new URL(address).port);
        await until(() => isClosed(port), { what: `nobody listens on ${address}` });
      }
      const next = await site.start({}, command);
      expect(await next.stop()).toBe(0);
    } finally {
      await site.clear();
    }
  });
});

describe("kill -9 of the whole process group", () => {
  test(`${kills} times under load: every acknowledged payload is counted once`, async () => {
    site = await testSite({ WINDOW: `${windowMs / 1_000}s`, PARTITIONS: String(partitions) });
    let running = await site.start();
    const url = running.url;
    const ending = new AbortController();
    const sent: Sent[] = [];
    const lanes = Array.from({ length: 16 }, (_, lane) =>
      sendLoop(() => url, lane + 1, sent, ending.signal),
    );
    for (let kill = 0; kill < kills; kill++) {
      await Bun.sleep(300 + Math.random() * 1_500);
      await running.killGroup();
      running = await site.start();
    }
    const sentBefore = sent.length;
    const isStored = ({ receipt }: Sent) => receipt !== undefined;
    await until(() => sent.slice(sentBefore).filter(isStored).length >= 100, {
      what: "payloads are taken again",
    });
    ending.abort();
    await Promise.all(lanes);
    const endMs = Date.now();

    await until(async () => (await sealedThroughMs(running.databaseUrl)) > endMs, {
      what: "everything to be sealed",
      timeoutMs: 20_000,
    });
    const messages = await readStreams(running.natsUrl, partitions);
    const times = timesStored(messages);
    const acknowledged = sent.filter(isStored);
    expect(acknowledged.length).toBeGreaterThan(1_000);
    for (const { cdn } of acknowledged) expect(times.get(cdn)).toBe(1);
    for (const { cdn } of sent) expect(times.get(cdn) ?? 0).toBeLessThanOrEqual(1);
    expect(times.size).toBeLessThanOrEqual(sent.length);

    const expected = new Map<string, NaiveRow>();
    for (let partition = 0; partition < partitions; partition++) {
      const stream = messages.filter((message) => message.partition === partition);
      for (const [name, row] of naiveRows(stream, windowMs, 86_400_000 / windowMs)) {
        expected.set(name, row);
      }
    }
    expect(await readTables(running.databaseUrl)).toEqual(withoutPayloads(expected));
    expect(await running.stop()).toBe(0);
  }, 120_000);
});
