/** What the publisher makes of the broker's answers; the test gives them in place of a stream. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Msg } from "nats";
import type { NatsLink } from "../../src/nats/connection.ts";
import { payloadSubject, streamName } from "../../src/nats/names.ts";
import type { Publisher } from "../../src/nats/publisher.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { appendOne, connectTo, payload, publisherOn, refusalOf } from "./support.ts";

const limits = { attemptMs: 1_000, retryPauseMs: 0, tendIntervalMs: 5, absencesMax: 2 };
let server: NatsServer;
let broker: NatsLink;
let link: NatsLink;
let publisher: Publisher;
/** What was published and is not answered yet. */
let arrived: Msg[] = [];
/** The publisher's clock. */
let nowMs = 0;

beforeAll(async () => {
  server = await freshNatsServer();
  broker = await connectTo(server.url);
  link = await connectTo(server.url);
  broker.connection.subscribe(payloadSubject(0), {
    callback: (_, msg) => arrived.push(msg),
  });
  await broker.connection.flush();
});
afterAll(async () => {
  await Promise.all([broker.close(), link.close()]);
  await server.stop();
});
beforeEach(() => {
  arrived = [];
  publisher = publisherOn(link, 1, { limits, now: () => nowMs });
});
afterEach(() => publisher.stop(0));

/** The next message that is published. */
function nextMessage(): Promise<Msg> {
  return until(() => arrived.shift(), { what: "a message is published", intervalMs: 1 });
}

function store(msg: Msg, seq: number): void {
  msg.respond(JSON.stringify({ stream: streamName(0), seq }));
}

test("an answer that comes late is none to the message after", async () => {
  const first = refusalOf(publisher.append([payload("first")]));
  const late = await nextMessage();
  nowMs += 10_000;
  expect(await first).toBe("timeout");
  const second = appendOne(publisher, payload("second"));
  const message = await nextMessage();
  store(late, 1);
  store(message, 2);
  expect(await second).toEqual({ partition: 0, sequence: 2, index: 0 });
});

test("a stream that is absent for a moment is waited for each time anew", async () => {
  for (let sequence = 1; sequence <= 3; sequence++) {
    const append = appendOne(publisher, payload("one"));
    (await nextMessage()).respond();
    store(await nextMessage(), sequence);
    expect(await append).toMatchObject({ sequence });
  }
});

test("a full stream is forgotten after a while without a message", async () => {
  const append = refusalOf(publisher.append([payload("one")]));
  const error = { code: 503, err_code: 10_077, description: "maximum bytes exceeded" };
  (await nextMessage()).respond(JSON.stringify({ error }));
  expect(await append).toBe("full");
  nowMs += 30_000;
  expect(publisher.full).toMatchObject([{ partition: 0 }]);
  nowMs += 1;
  expect(publisher.full).toEqual([]);
});

test("that nothing is stored is told until something is, or for a while", async () => {
  const giveUp = async () => {
    const refused = refusalOf(publisher.append([payload("one")]));
    const message = await nextMessage();
    nowMs += 10_000;
    expect(await refused).toBe("timeout");
    expect(publisher.unanswered).toEqual([0]);
    return message;
  };
  store(await giveUp(), 1);
  await until(() => publisher.unanswered.length === 0, { what: "the late answer has come" });
  await giveUp();
  nowMs += 10_000;
  expect(publisher.unanswered).toEqual([0]);
  nowMs += 1;
  expect(publisher.unanswered).toEqual([]);
});
