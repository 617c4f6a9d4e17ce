/** The publisher against a broker that dies, hangs, or is not there. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Payload } from "../../src/domain/payload.ts";
import type { Receipt } from "../../src/domain/receipt.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import type { Publisher } from "../../src/nats/publisher.ts";
import type { JetStreamStreams } from "../../src/nats/streams.ts";
import { ensureStreams } from "../../src/nats/topology.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import {
  appendEach,
  appendOne,
  batchOf,
  freshStreams,
  pause,
  payload,
  payloads,
  publisherOn,
  readAll,
  receiptKey,
  refusalOf,
  resume,
  storedPayloads,
} from "./support.ts";

const partitions = 4;
let server: NatsServer;
let link: NatsLink;
let streams: JetStreamStreams;

beforeEach(async () => {
  server = await freshNatsServer();
  ({ link, streams } = await freshStreams(server.url, partitions));
});
afterEach(async () => {
  resume(server);
  await link.close();
  await server.stop();
});

/** Appends without pause until told to stop; keeps what was acknowledged. */
function load(publisher: Publisher) {
  const acknowledged: { one: Payload; receipt: Receipt | undefined }[] = [];
  let running = true;
  const lane = async (name: string) => {
    for (let i = 0; running; i++) {
      const batch = Array.from({ length: 1 + (i % 5) }, (_, k) =>
        payload(`${name}-${i}-${k}`, { content: `channel-${(i + k) % 40}` }),
      );
      try {
        // Those that are appended together get no receipts.
        const together = i % 2 === 0;
        const receipts = together
          ? await publisher.append(batch).then(() => [])
          : await appendEach(publisher, batch);
        for (const [k, one] of batch.entries()) acknowledged.push({ one, receipt: receipts[k] });
      } catch {
        await Bun.sleep(5);
      }
    }
  };
  const lanes = Promise.all(Array.from({ length: 40 }, (_, i) => lane(`lane${i}`)));
  return {
    acknowledged,
    stop: async () => {
      running = false;
      await lanes;
    },
  };
}

test("acknowledged means stored once, over kill -9 and restart of the broker", async () => {
  const publisher = publisherOn(link, partitions);
  const traffic = load(publisher);
  for (let round = 0; round < 3; round++) {
    const before = traffic.acknowledged.length;
    await until(() => traffic.acknowledged.length > before + 2_000, { what: "payloads flow" });
    await server.kill("SIGKILL");
    await until(() => !link.connected, { what: "the loss is noticed" });
    await server.start();
    await until(() => link.connected, { what: "the connection is back" });
  }
  await traffic.stop();
  await publisher.stop();
  const { stored, countedTokens } = await storedPayloads(streams, partitions);
  const counted = new Set(countedTokens);
  for (const { one, receipt } of traffic.acknowledged) {
    if (receipt !== undefined) expect(stored.get(receiptKey(receipt))).toEqual(one);
    expect(counted.has(one.token)).toBe(true);
  }
  expect(counted.size).toBe(countedTokens.length);
}, 60_000);

test("while disconnected appends are refused at once; afterwards they go on", async () => {
  const publisher = publisherOn(link, partitions);
  await publisher.append(payloads(1));
  await server.kill("SIGKILL");
  await until(() => !link.connected, { what: "the loss is noticed" });
  const startMs = performance.now();
  expect(await refusalOf(publisher.append(payloads(1)))).toBe("disconnected");
  expect(await refusalOf(appendOne(publisher, payload("single")))).toBe("disconnected");
  expect(performance.now() - startMs).toBeLessThan(500);
  await server.start();
  await until(() => link.connected, { what: "the connection is back" });
  await publisher.append(payloads(1));
  await publisher.stop();
}, 30_000);

test("a message in flight when the broker dies is stored once it is back", async () => {
  const publisher = publisherOn(link, partitions);
  await pause(server);
  const append = appendOne(publisher, payload("one"));
  await Bun.sleep(0);
  await server.kill("SIGKILL");
  await server.start();
  expect((await append).sequence).toBe(1);
  await publisher.stop();
}, 30_000);

test("a message sent again keeps its number, so that it counts once", async () => {
  const publisher = publisherOn(link, 1, { limits: { attemptMs: 50, tendIntervalMs: 10 } });
  await pause(server);
  const append = appendEach(publisher, payloads(3));
  const sentBefore = link.connection.stats().outMsgs;
  await until(() => link.connection.stats().outMsgs >= sentBefore + 4, { what: "it is repeated" });
  resume(server);
  const receipts = await append;
  await link.connection.flush();
  // The repeats have all been handled once a tick that was sent after them is stored.
  const copies = (await streams.tick(0)) - 1;
  expect(copies).toBeGreaterThan(1);
  const messages = (await readAll(streams, 0)).slice(0, copies);
  expect(new Set(messages.map((message) => batchOf(message).number))).toEqual(new Set([1]));
  expect(receipts.map(receiptKey)).toEqual(["0.1.0", "0.1.1", "0.1.2"]);
  await publisher.stop();
}, 30_000);

test("a message without an answer is given up at its deadline, its number not used again", async () => {
  const limits = { attemptMs: 100, deadlineMs: 400, tendIntervalMs: 10 };
  const publisher = publisherOn(link, 1, { limits });
  await pause(server);
  const startMs = performance.now();
  const single = appendOne(publisher, payload("single"));
  expect(await refusalOf(publisher.append(payloads(1)))).toBe("timeout");
  expect(await refusalOf(single)).toBe("timeout");
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(350);
  expect(publisher.unanswered).toEqual([0]);
  resume(server);
  await publisher.append([payload("second")]);
  expect(publisher.unanswered).toEqual([]);
  const numbers = (await readAll(streams, 0)).map((message) => batchOf(message).number);
  // The abandoned message was still in the socket, so it is stored late, before the second one.
  expect([...new Set(numbers)]).toEqual([1, 2]);
  expect(numbers).toEqual(numbers.toSorted());
  await publisher.stop();
}, 30_000);

test("payloads that waited too long behind another message are given up unsent", async () => {
  const limits = { attemptMs: 100, deadlineMs: 400, tendIntervalMs: 10 };
  const publisher = publisherOn(link, 1, { limits });
  await pause(server);
  const first = publisher.append(payloads(1));
  await new Promise((resolve) => setImmediate(resolve));
  const second = publisher.append([payload("behind")]);
  expect(await refusalOf(first)).toBe("timeout");
  expect(await refusalOf(second)).toBe("overloaded");
  resume(server);
  await publisher.append([payload("after")]);
  expect((await storedPayloads(streams, 1)).countedTokens).toEqual(["token-0", "after"]);
  await publisher.stop();
}, 30_000);

test("without a stream an append waits for it; without one by the deadline it fails", async () => {
  await link.manager.streams.delete("PAYLOADS_0000");
  const limits = { retryPauseMs: 20, tendIntervalMs: 10 };
  const hasty = publisherOn(link, 1, { limits: { ...limits, attemptMs: 50, deadlineMs: 200 } });
  expect(await refusalOf(hasty.append(payloads(1)))).toBe("disconnected");
  expect(hasty.unanswered).toEqual([0]);
  const patient = publisherOn(link, 1, { limits });
  const append = patient.append(payloads(1));
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  await append;
  await Promise.all([hasty.stop(), patient.stop()]);
}, 30_000);

test("a stream that is gone is not waited for again and again, and taken when it is back", async () => {
  await link.manager.streams.delete("PAYLOADS_0000");
  const limits = { retryPauseMs: 50, tendIntervalMs: 10, absencesMax: 4, deadlineMs: 60_000 };
  const publisher = publisherOn(link, 1, { limits });
  expect(await refusalOf(publisher.append(payloads(1)))).toBe("disconnected");
  const startMs = performance.now();
  for (let i = 0; i < 50; i++) {
    expect(await refusalOf(publisher.append([payload(`lost ${i}`)]))).toBe("disconnected");
  }
  // With a pause each, they would take ten seconds.
  expect(performance.now() - startMs).toBeLessThan(2_500);
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  await publisher.append([payload("after")]);
  expect((await storedPayloads(streams, 1)).countedTokens).toEqual(["after"]);
  await publisher.stop();
}, 30_000);

test("stopping is bounded when the broker is silent", async () => {
  const publisher = publisherOn(link, 1);
  await pause(server);
  const append = publisher.append(payloads(1));
  const refusal = refusalOf(append);
  await publisher.stop(100);
  expect(await refusal).toBe("stopping");
  resume(server);
}, 30_000);
