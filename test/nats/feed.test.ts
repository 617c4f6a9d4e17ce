import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { ConsumerInfo } from "nats";
import { type LogMessage, PartitionHalted, PayloadGap } from "../../src/actors/ports.ts";
import { silentLog } from "../../src/log.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { type FeedLimits, StreamFeed } from "../../src/nats/feed.ts";
import type { JetStreamStreams } from "../../src/nats/streams.ts";
import { ensureStreams } from "../../src/nats/topology.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { connectTo, freshStreams, pause, readAll, readThrough, resume } from "./support.ts";

const stream = "PAYLOADS_0000";
const subject = "payloads.0000";
let server: NatsServer;
let link: NatsLink;
let streams: JetStreamStreams;
const feeds: StreamFeed[] = [];

beforeEach(async () => {
  server = await freshNatsServer();
  ({ link, streams } = await freshStreams(server.url, 1));
});
afterEach(async () => {
  await Promise.all(feeds.splice(0).map((feed) => feed.stop()));
  await link.close();
  await server.stop();
});

function feedFrom(fromSequence: number, limits: Partial<FeedLimits> = {}): StreamFeed {
  const verify = async () => {};
  const feed = new StreamFeed(link, { partition: 0, fromSequence, verify, log: silentLog, limits });
  feeds.push(feed);
  return feed;
}

/** Messages that say their sequence; `bytes` is how large they are. */
async function publish(fromSequence: number, toSequence: number, bytes = 20): Promise<void> {
  const js = link.connection.jetstream();
  for (let sequence = fromSequence; sequence <= toSequence; sequence++) {
    const ack = await js.publish(subject, String(sequence).padStart(bytes, "0"));
    expect(ack.seq).toBe(sequence);
  }
}

async function consumers() {
  const found = [];
  for await (const consumer of link.manager.consumers.list(stream)) found.push(consumer);
  return found;
}

async function gapOf(read: Promise<unknown>): Promise<readonly number[]> {
  const error = await read.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof PayloadGap)) throw new Error("no gap was reported", { cause: error });
  return [error.expectedSequence, error.foundSequence];
}

function expectContiguous(messages: readonly LogMessage[], from: number, to: number): void {
  const texts = messages.map((message) => Number(Buffer.from(message.data).toString()));
  const sequences = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  expect(messages.map((message) => message.sequence)).toEqual(sequences);
  expect(texts).toEqual(sequences);
}

describe("reading", () => {
  test("gives the same messages by 1, 7 and 1000, with the times that the stream has", async () => {
    await publish(1, 300);
    const reads: LogMessage[][] = [];
    for (const messagesMax of [1, 7, 1_000]) {
      const feed = feedFrom(1);
      const read = await readThrough(feed, 300, messagesMax);
      expectContiguous(read, 1, 300);
      reads.push(read);
      await feed.stop();
    }
    expect(reads[1]).toEqual(reads[0] ?? []);
    expect(reads[2]).toEqual(reads[0] ?? []);
    for (const message of reads[0]?.slice(0, 20) ?? []) {
      expect(await streams.message(0, message.sequence)).toEqual(message);
      expect(message.timeMs).toBe(Number(BigInt(message.time) / 1_000_000n));
    }
  });

  test("gives no more than was asked for", async () => {
    await publish(1, 30);
    const feed = feedFrom(1);
    const first = await feed.next(1);
    await until(async () => (await consumers())[0]?.num_pending === 0, { what: "all is sent" });
    await link.connection.flush();
    expect(first).toHaveLength(1);
    expect(await feed.next(7)).toHaveLength(7);
    expect(await feed.next(1_000)).toHaveLength(22);
  });

  test("begins at the sequence asked for, also at one that is not there yet", async () => {
    await publish(1, 50);
    expectContiguous(await readThrough(feedFrom(41), 50), 41, 50);
    const feed = feedFrom(51);
    const waiting = readThrough(feed, 55);
    await publish(51, 55);
    expectContiguous(await waiting, 51, 55);
  });

  test("holds a bounded number of bytes, however far the reader is behind", async () => {
    await publish(1, 60, 100_000);
    const feed = feedFrom(1, { bufferBytesMax: 1_000_000, requestBytes: 300_000 });
    const delivered = async () => (await consumers())[0]?.delivered.stream_seq ?? 0;
    await until(async () => (await delivered()) >= 6, { what: "the buffer fills" });
    await link.connection.flush();
    expect(await delivered()).toBeLessThanOrEqual(10);
    expectContiguous(await readThrough(feed, 60, 3), 1, 60);
  });

  test("gets past messages that are larger than a request", async () => {
    await publish(1, 5);
    await publish(6, 8, 50_000);
    await publish(9, 20);
    const feed = feedFrom(1, { requestBytes: 10_000, bufferBytesMax: 40_000 });
    expectContiguous(await readThrough(feed, 20), 1, 20);
  });
});

describe("requests", () => {
  /** Longer than a test takes: whoever rests once does not go on. */
  const forEver = 60_000;

  /** Counts the requests that consumers of the stream are asked for messages by. */
  function countRequests(): { count: number } {
    const counted = { count: 0 };
    const callback = () => {
      counted.count++;
    };
    link.connection.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${stream}.>`, { callback });
    return counted;
  }

  /** Waits until so many requests wait at the server, and resolves with the only consumer. */
  function whenWaiting(requests: number): Promise<ConsumerInfo> {
    const one = async () => (await consumers()).find(({ num_waiting }) => num_waiting === requests);
    return until(one, { what: `${requests} requests wait at the server` });
  }

  /** How many bytes the server counts for each of the first messages. */
  async function sizesOf(messages: number): Promise<number[]> {
    const { name } = await link.manager.consumers.add(stream, { mem_storage: true });
    const inbox = "_INBOX.sizes";
    const sizes: number[] = [];
    link.connection.subscribe(inbox, {
      callback: (_error, { subject, reply = "", data }) => {
        sizes.push(subject.length + reply.length + data.length);
      },
    });
    const request = JSON.stringify({ batch: messages, expires: 10_000_000_000 });
    const ask = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`;
    link.connection.publish(ask, request, { reply: inbox });
    await until(() => sizes.length === messages, { what: "all have come" });
    await link.manager.consumers.delete(stream, name);
    return sizes;
  }

  /** Reads 50 messages, for which the consumer of the first one must do. */
  async function readByOneConsumer(feed: StreamFeed): Promise<void> {
    const read = [...(await feed.next(1))];
    const [before] = await consumers();
    read.push(...(await readThrough(feed, 50)));
    expectContiguous(read, 1, 50);
    expect((await consumers()).map(({ name }) => name)).toEqual([before?.name ?? ""]);
  }

  test("bring messages that come close together in bursts", async () => {
    const requests = countRequests();
    const feed = feedFrom(1, { restMs: 50 });
    const startMs = performance.now();
    const reading = readThrough(feed, 400);
    await publish(1, 400);
    expectContiguous(await reading, 1, 400);
    // One at the start, and then one for each rest that is over; timers are a little early.
    expect(requests.count).toBeLessThanOrEqual(2 + (performance.now() - startMs) / 45);
  });

  test("rest after the end of the stream, and then nothing is sent", async () => {
    const feed = feedFrom(1, { restMs: forEver });
    const reading = readThrough(feed, 1);
    await publish(1, 1);
    await reading;
    await whenWaiting(0);
    await publish(2, 10);
    expect((await consumers())[0]).toMatchObject({ num_pending: 9, num_waiting: 0 });
  });

  test("bring a lone message at once, however long the rest is", async () => {
    const requests = countRequests();
    const feed = feedFrom(1, { restMs: forEver });
    await whenWaiting(1);
    const reading = readThrough(feed, 1);
    await publish(1, 1);
    expectContiguous(await reading, 1, 1);
    expect(requests.count).toBe(1);
  });

  test.each([
    ["messages", { requestMessages: 4, requestBytes: 1_000 }],
    ["bytes", { requestBytes: 500 }],
  ])("follow each other without a rest when their %s are used up", async (_what, limits) => {
    await publish(1, 50);
    await readByOneConsumer(feedFrom(1, { ...limits, bufferBytesMax: 2_000, restMs: forEver }));
  });

  test("end also when their bytes are used up exactly, of which the server says nothing", async () => {
    await publish(1, 50);
    const sizes = await sizesOf(5);
    const requestBytes = sizes.reduce((sum, size) => sum + size, 0);
    const limits = { requestBytes, bufferBytesMax: 3_000, heartbeatMs: 300 };
    await readByOneConsumer(feedFrom(1, limits));
  });

  test("are replaced before they expire, whose end then says nothing", async () => {
    const requests = countRequests();
    const feed = feedFrom(1, { expiresMs: 3_000, heartbeatMs: 300 });
    const before = await whenWaiting(1);
    await whenWaiting(2);
    await whenWaiting(1);
    expect(requests.count).toBe(2);
    const reading = readThrough(feed, 1);
    await publish(1, 1);
    expectContiguous(await reading, 1, 1);
    expect((await consumers())[0]?.name).toBe(before.name);
  });
});

describe("trouble", () => {
  test("kill -9 and restart of the broker leave no gap and no repeat", async () => {
    await publish(1, 100);
    const feed = feedFrom(1);
    const read = await readThrough(feed, 50, 10);
    for (let round = 1; round <= 3; round++) {
      await server.kill("SIGKILL");
      await until(() => !link.connected, { what: "the loss is noticed" });
      await server.start();
      await until(() => link.connected, { what: "the connection is back" });
      const last = 100 + round * 100;
      await until(async () => (await streams.state(0)).lastSequence > 0, { what: "it is there" });
      const more = readThrough(feed, last, 10);
      await publish(last - 99, last);
      read.push(...(await more));
    }
    expectContiguous(read, 1, 400);
  }, 30_000);

  test("a consumer that is deleted behind its back is replaced", async () => {
    await publish(1, 10);
    const feed = feedFrom(1, { heartbeatMs: 300 });
    const read = await readThrough(feed, 10);
    for (const { name } of await consumers()) await link.manager.consumers.delete(stream, name);
    const more = readThrough(feed, 20);
    await publish(11, 20);
    expectContiguous([...read, ...(await more)], 1, 20);
  }, 30_000);

  test("a consumer without heartbeats is replaced", async () => {
    await publish(1, 10);
    const feed = feedFrom(1, { heartbeatMs: 200 });
    const read = await readThrough(feed, 10);
    const [before] = await consumers();
    await pause(server);
    // Longer than the silence that is put up with, and shorter than the client's own patience.
    await Bun.sleep(700);
    resume(server);
    await until(async () => (await consumers()).every(({ name }) => name !== before?.name), {
      what: "the consumer is another one",
    });
    const more = readThrough(feed, 20);
    await publish(11, 20);
    expectContiguous([...read, ...(await more)], 1, 20);
  }, 30_000);

  test("a feed begun while the broker is away reads once it is back", async () => {
    await publish(1, 10);
    await server.kill("SIGKILL");
    await until(() => !link.connected, { what: "the loss is noticed" });
    const read = readThrough(feedFrom(1), 10);
    await server.start();
    expectContiguous(await read, 1, 10);
  }, 30_000);

  test("restart() replaces the consumer and goes on where the feed was", async () => {
    await publish(1, 100);
    const feed = feedFrom(1);
    const read = [...(await feed.next(10))];
    const before = (await consumers()).map(({ name }) => name);
    feed.restart();
    feed.restart();
    read.push(...(await readThrough(feed, 100, 10)));
    await until(async () => (await consumers()).some(({ name }) => !before.includes(name)), {
      what: "there is another consumer",
    });
    feed.restart();
    const more = readThrough(feed, 120);
    await publish(101, 120);
    expectContiguous([...read, ...(await more)], 1, 120);
  });
});

describe("a gap", () => {
  test("is reported when the next sequence was purged before the start", async () => {
    await publish(1, 20);
    await streams.purge(0, 10);
    expect(await gapOf(feedFrom(5).next(10))).toEqual([5, 11]);
    expectContiguous(await readThrough(feedFrom(11), 20), 11, 20);
  });

  test("is reported when everything was purged", async () => {
    await publish(1, 20);
    await streams.purge(0, 20);
    expect(await gapOf(feedFrom(20).next(10))).toEqual([20, 21]);
  });

  test("is reported, again and again, when a single message is missing", async () => {
    await publish(1, 20);
    await link.manager.streams.deleteMessage(stream, 10);
    const feed = feedFrom(1);
    expectContiguous(await readThrough(feed, 9), 1, 9);
    expect(await gapOf(feed.next(10))).toEqual([10, 11]);
    expect(await gapOf(feed.next(10))).toEqual([10, 11]);
  });

  test("is reported when messages are purged while the broker is away from the feed", async () => {
    await publish(1, 10);
    const feed = feedFrom(1, { bufferBytesMax: 1_000, requestBytes: 1_000, requestMessages: 1 });
    await feed.next(3);
    await publish(11, 20);
    await streams.purge(0, 15);
    feed.restart();
    const [expected, found] = await gapOf(readThrough(feed, 20));
    expect(expected).toBeLessThan(16);
    expect(found).toBe(16);
  });

  test("is reported when the stream ends before the sequence asked for", async () => {
    await publish(1, 10);
    expect(await gapOf(feedFrom(12).next(10))).toEqual([12, 11]);
  });

  test("is reported when the stream is deleted and created anew", async () => {
    await publish(1, 10);
    const feed = feedFrom(1, { heartbeatMs: 300 });
    await readThrough(feed, 10);
    await link.manager.streams.delete(stream);
    await ensureStreams(link, { partitions: 1, replicas: 1 });
    await publish(1, 30);
    // It may have looked in the moment when there was none.
    const error = await readThrough(feed, 30).catch((failure: unknown) => failure);
    expect(String(error)).toMatch(/expected sequence 11, found 0|its stream is gone/);
  }, 30_000);
});

describe("the verification of a stream", () => {
  const verified = (verify: () => Promise<void>) => {
    const feed = new StreamFeed(link, { partition: 0, fromSequence: 1, verify, log: silentLog });
    feeds.push(feed);
    return feed;
  };

  test("is made before every consumer, and made again when it could not be made", async () => {
    await publish(1, 10);
    let calls = 0;
    const feed = verified(async () => {
      if (++calls < 3) throw new Error("cannot tell now");
    });
    await readThrough(feed, 10);
    expect(calls).toBe(3);
    feed.restart();
    await until(() => calls === 4, { what: "it is verified again" });
  });

  test("ends the feed when it says so, after what was read before", async () => {
    await publish(1, 10);
    let good = true;
    const feed = verified(async () => {
      if (!good) throw new PartitionHalted("restored from an older copy");
    });
    await readThrough(feed, 10);
    good = false;
    feed.restart();
    await expect(feed.next(10)).rejects.toThrow(PartitionHalted);
    await expect(feed.next(10)).rejects.toThrow(PartitionHalted);
  });
});

describe("a stream that is made anew in the moment after it was verified", () => {
  test("is not read from the middle", async () => {
    await publish(1, 10);
    let replaced = false;
    const feed = new StreamFeed(link, {
      ...{ partition: 0, fromSequence: 1, log: silentLog, limits: { heartbeatMs: 300 } },
      verify: async (last) => {
        if (last === undefined || replaced) return;
        replaced = true;
        await link.manager.streams.delete(stream);
        await ensureStreams(link, { partitions: 1, replicas: 1 });
        await publish(1, 30);
      },
    });
    feeds.push(feed);
    await readThrough(feed, 10);
    feed.restart();
    expect(await gapOf(readThrough(feed, 30))).toEqual([11, 0]);
  }, 30_000);
});

describe("stopping", () => {
  test("wakes a reader with nothing, is idempotent, and leaves no consumer", async () => {
    const feed = feedFrom(1);
    await until(async () => (await consumers()).length === 1, { what: "there is a consumer" });
    const waiting = feed.next(10);
    await Promise.all([feed.stop(), feed.stop()]);
    expect(await waiting).toEqual([]);
    expect(await feed.next(10)).toEqual([]);
    expect(await consumers()).toEqual([]);
  });

  test("does not wait for a broker that is away", async () => {
    const feed = feedFrom(1);
    await server.kill("SIGKILL");
    await until(() => !link.connected, { what: "the loss is noticed" });
    await feed.stop();
    expect(await feed.next(10)).toEqual([]);
  });
});

describe("the streams", () => {
  test("tell what they hold, before, with and after messages", async () => {
    expect(await streams.state(0)).toMatchObject({ firstSequence: 1, lastSequence: 0 });
    await publish(1, 10);
    expect(await streams.state(0)).toMatchObject({ firstSequence: 1, lastSequence: 10 });
    await streams.purge(0, 4);
    expect(await streams.state(0)).toMatchObject({ firstSequence: 5, lastSequence: 10 });
    await streams.purge(0, 10);
    expect(await streams.state(0)).toMatchObject({ firstSequence: 11, lastSequence: 10 });
    await streams.purge(0, 0);
    expect(await streams.message(0, 10)).toBeUndefined();
    expect(await streams.message(0, 11)).toBeUndefined();
    expect(await streams.message(0, 0)).toBeUndefined();
    expect(await streams.tick(0)).toBe(11);
    expect((await readAll(streams, 0)).map((message) => message.sequence)).toEqual([11]);
  });

  test("keep their creation time for other connections and over a restart", async () => {
    const { created } = await streams.state(0);
    await server.kill("SIGKILL");
    await server.start();
    const other = await connectTo(server.url);
    await until(() => link.connected, { what: "the connection is back" });
    const info = await other.manager.streams.info(stream);
    expect(info.created).toBe(created);
    expect((await streams.state(0)).created).toBe(created);
    await other.close();
  }, 30_000);
});
