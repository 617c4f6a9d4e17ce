import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { partitionOf } from "../../src/domain/digest.ts";
import type { Payload } from "../../src/domain/payload.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import {
  appendEach,
  appendOne,
  batchOf,
  freshStreams,
  payload,
  payloads,
  payloadsOf,
  publisherOn,
  readAll,
  receiptKey,
  refusalOf,
} from "./support.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await freshNatsServer();
});
afterAll(() => server.stop());

async function setUp(partitions: number, streamBytesMax?: number) {
  const { link, streams } = await freshStreams(server.url, partitions, streamBytesMax);
  return { link, streams, [Symbol.asyncDispose]: () => link.close() };
}

describe("receipts", () => {
  test("lead to the payloads, in order, over all partitions", async () => {
    await using broker = await setUp(4);
    const publisher = publisherOn(broker.link, 4);
    const sent = Array.from({ length: 500 }, (_, i) =>
      payload(`token-${i}`, { content: `channel-${i % 20}`, cdn: i }),
    );
    const receipts = await appendEach(publisher, sent);
    expect(receipts).toHaveLength(sent.length);
    const found = new Map<string, unknown>();
    for (let partition = 0; partition < 4; partition++) {
      for (const message of await readAll(broker.streams, partition)) {
        for (const [index, one] of payloadsOf(batchOf(message)).entries()) {
          found.set(receiptKey({ partition, sequence: message.sequence, index }), one);
        }
      }
    }
    for (const [i, receipt] of receipts.entries()) {
      expect(found.get(receiptKey(receipt))).toEqual(sent[i]);
    }
    expect(found.size).toBe(sent.length);
    await publisher.stop();
  });

  test("of names that would break a subject lead to the same names", async () => {
    await using broker = await setUp(4);
    const publisher = publisherOn(broker.link, 4);
    const names = [
      "a.b.c",
      "*",
      ">",
      "two words",
      "CR\\r\\nLF",
      'quote"s',
      "it's",
      "'; DROP TABLE stats;--",
      "\u{1f600}\u{1f3fd}",
      "\u05e9\u05dc\u05d5\u05dd",
      "__proto__",
      "constructor",
      "%2F",
      "/",
      "x".repeat(512),
      "\u20ac".repeat(170),
      "\\",
      "\u2028",
    ];
    for (const name of names) {
      const one = payload(`token ${name}`.slice(0, 100), { customer: name, content: name });
      const receipt = await appendOne(publisher, one);
      const partition = partitionOf(name, name, 4);
      expect(receipt.partition).toBe(partition);
      const message = await broker.streams.message(partition, receipt.sequence);
      expect(payloadsOf(batchOf(message))[receipt.index]).toEqual(one);
    }
    await publisher.stop();
  });

  test("of payloads with a key: its digest travels with the payload", async () => {
    await using broker = await setUp(1);
    const publisher = publisherOn(broker.link, 1);
    const [first] = await Promise.all([
      appendOne(publisher, payload("first")),
      publisher.append(payloads(2), ["00ab34cd00ab34cd", "11ab34cd00ab34cd"]),
    ]);
    const message = await broker.streams.message(0, first.sequence);
    expect(batchOf(message).keys).toEqual([1, "00ab34cd00ab34cd", 2, "11ab34cd00ab34cd"]);
    await publisher.stop();
  });

  test("of single payloads lead to their keys as well", async () => {
    await using broker = await setUp(2);
    const publisher = publisherOn(broker.link, 2);
    const digest = (i: number) => (i % 3 === 0 ? undefined : `${1_000 + i}`.padStart(16, "0"));
    const receipts = await Promise.all(
      payloads(50).map((one, i) => appendOne(publisher, one, digest(i))),
    );
    for (const [i, receipt] of receipts.entries()) {
      const batch = batchOf(await broker.streams.message(receipt.partition, receipt.sequence));
      const place = batch.keys.indexOf(receipt.index);
      expect(place === -1 ? undefined : batch.keys[place + 1]).toBe(digest(i));
    }
    await publisher.stop();
  });

  test("are none of an empty append", async () => {
    await using broker = await setUp(1);
    const publisher = publisherOn(broker.link, 1);
    await publisher.append([]);
    expect((await broker.streams.state(0)).lastSequence).toBe(0);
    await publisher.stop();
  });
});

describe("group commit", () => {
  test("payloads of one turn share a message; those of the flight's time share the next", async () => {
    await using broker = await setUp(1);
    const publisher = publisherOn(broker.link, 1);
    const first = appendEach(publisher, payloads(100));
    await new Promise((resolve) => setImmediate(resolve));
    const second = appendEach(publisher, payloads(50));
    const receipts = (await Promise.all([first, second])).flat();
    const sequences = new Set(receipts.map((receipt) => receipt.sequence));
    expect([...sequences]).toEqual([1, 2]);
    expect(receipts.slice(0, 100).map((receipt) => receipt.index)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    await publisher.stop();
  });

  test("numbers grow along the stream, one message in flight, under steady load", async () => {
    await using broker = await setUp(2);
    const pending = new Int32Array(1);
    const publisher = publisherOn(broker.link, 2, { pending });
    const appends: Promise<unknown>[] = [];
    for (let i = 0; i < 2_000; i++) {
      appends.push(publisher.append([payload(`t${i}`, { content: `channel-${i % 7}` })]));
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(appends);
    expect(pending[0]).toBe(0);
    for (const partition of [0, 1]) {
      const numbers = (await readAll(broker.streams, partition)).map((m) => batchOf(m).number);
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, i) => i + 1));
      expect(numbers.length).toBeLessThan(1_000);
    }
    await publisher.stop();
  });

  test("an append of 50,000 payloads takes several messages, none too large", async () => {
    await using broker = await setUp(2);
    const publisher = publisherOn(broker.link, 2);
    await publisher.append(payloads(50_000));
    const { customer, content } = payload("");
    const partition = partitionOf(customer, content, 2);
    const messages = await readAll(broker.streams, partition);
    expect(messages.length).toBeGreaterThan(5);
    for (const message of messages) expect(message.data.length).toBeLessThanOrEqual(262_144);
    const tokens = messages.flatMap((message) => payloadsOf(batchOf(message)));
    expect(tokens).toEqual(payloads(50_000));
    await publisher.stop();
  });
});

describe("bounds", () => {
  const refused = async (limits: object, filling: Payload[], more: Payload[]) => {
    await using broker = await setUp(2);
    const pending = new Int32Array(1);
    const publisher = publisherOn(broker.link, 2, { limits, pending });
    const underWay = publisher.append(filling);
    expect(pending[0]).toBe(filling.length);
    expect(await refusalOf(publisher.append(more))).toBe("overloaded");
    const [single] = more;
    if (more.length === 1 && single !== undefined) {
      expect(await refusalOf(appendOne(publisher, single))).toBe("overloaded");
    }
    await underWay;
    // What was refused has left nothing behind, and there is room again.
    expect(pending[0]).toBe(0);
    await publisher.append(payloads(1));
    await publisher.stop();
  };

  test("on payloads in all", () => refused({ payloadsMax: 100 }, payloads(60), payloads(41)));
  test("on the last payload", () => refused({ payloadsMax: 100 }, payloads(100), payloads(1)));
  test("on payloads of a partition", () =>
    refused({ partitionPayloadsMax: 100 }, payloads(100), payloads(1)));
  test("on bytes in all", () => refused({ bytesMax: 1_000 }, payloads(20), payloads(1)));
  test("on bytes of a partition", () =>
    refused({ partitionBytesMax: 1_000 }, payloads(20), payloads(1)));
});

describe("a full stream", () => {
  test("refuses, stores nothing of it, and takes payloads again when there is room", async () => {
    await using broker = await setUp(1, 20_000);
    const publisher = publisherOn(broker.link, 1);
    let stored = 0;
    const fill = async () => {
      for (;;) {
        await publisher.append(payloads(20));
        stored += 20;
      }
    };
    expect(await refusalOf(fill())).toBe("full");
    expect(stored).toBeGreaterThan(0);
    const { lastSequence } = await broker.streams.state(0);
    expect(lastSequence).toBe(stored / 20);
    await broker.streams.purge(0, lastSequence);
    const receipt = await appendOne(publisher, payload("after"));
    expect(receipt.sequence).toBe(lastSequence + 1);
    await publisher.stop();
  });
});

describe("stopping", () => {
  test("settles what is under way and refuses the rest", async () => {
    await using broker = await setUp(2);
    const publisher = publisherOn(broker.link, 2);
    const underWay = publisher.append(payloads(10_000));
    const stopped = publisher.stop();
    expect(await refusalOf(publisher.append(payloads(1)))).toBe("stopping");
    expect(await refusalOf(appendOne(publisher, payload("late")))).toBe("stopping");
    await underWay;
    await stopped;
    await publisher.stop();
  });
});
