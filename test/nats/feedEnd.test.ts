/** What a feed that has ended leaves behind. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { PayloadGap } from "../../src/actors/ports.ts";
import { silentLog } from "../../src/log.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { StreamFeed } from "../../src/nats/feed.ts";
import type { JetStreamStreams } from "../../src/nats/streams.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { freshStreams } from "./support.ts";

let server: NatsServer;
let link: NatsLink;
let streams: JetStreamStreams;
/** Who is called at a loss or return of the connection. */
const listeners = new Set<unknown>();

beforeAll(async () => {
  server = await freshNatsServer();
  ({ link, streams } = await freshStreams(server.url, 1));
  const onChange = link.onChange.bind(link);
  link.onChange = (listener) => {
    const stop = onChange(listener);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      stop();
    };
  };
});
afterAll(async () => {
  await link.close();
  await server.stop();
});
beforeEach(() => listeners.clear());

function feedFrom(fromSequence: number): StreamFeed {
  const verify = async () => {};
  return new StreamFeed(link, { partition: 0, fromSequence, verify, log: silentLog });
}

test("a feed that was stopped listens to the connection no more", async () => {
  const sequence = await streams.tick(0);
  const feed = feedFrom(sequence);
  expect(await feed.next(1)).toMatchObject([{ sequence }]);
  expect(listeners.size).toBe(1);
  await feed.stop();
  expect(listeners.size).toBe(0);
});

test("neither does one that found a gap", async () => {
  const sequence = await streams.tick(0);
  await streams.purge(0, sequence);
  const feed = feedFrom(sequence);
  await expect(feed.next(1)).rejects.toThrow(PayloadGap);
  expect(listeners.size).toBe(0);
  await feed.stop();
});
