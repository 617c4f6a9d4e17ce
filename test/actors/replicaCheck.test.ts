/**
 * A replica that holds other messages than the leader, as an owner meets it: a real stream, whose
 * leader is made to answer with another message where the test says so.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { systemClock } from "../../src/actors/clock.ts";
import { PartitionOwner } from "../../src/actors/partitionOwner.ts";
import type { PayloadStreams } from "../../src/actors/ports.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { silentLog } from "../../src/log.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { JetStreamStreams } from "../../src/nats/streams.ts";
import { ensureStreams } from "../../src/nats/topology.ts";
import { connectTo } from "../nats/support.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { FakeStore } from "./fakes.ts";

let server: NatsServer;
let link: NatsLink;
let real: JetStreamStreams;
/** Sequences that the leader was asked for. */
let asked: number[] = [];
/** Where the leader holds another message than the replica that is read. */
let differing: number | undefined;

beforeAll(async () => {
  server = await freshNatsServer();
  link = await connectTo(server.url);
  real = new JetStreamStreams(link, silentLog);
});
afterAll(async () => {
  await link.close();
  await server.stop();
});
beforeEach(async () => {
  for await (const name of link.manager.streams.names()) await link.manager.streams.delete(name);
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  asked = [];
  differing = undefined;
});

const streams: PayloadStreams = {
  state: (partition) => real.state(partition),
  feed: (partition, from, verify) => real.feed(partition, from, verify),
  tick: (partition) => real.tick(partition),
  purge: (partition, sequence) => real.purge(partition, sequence),
  message: async (partition, sequence) => {
    asked.push(sequence);
    const message = await real.message(partition, sequence);
    return message && sequence === differing ? { ...message, time: `${message.time}1` } : message;
  },
};

function own(): PartitionOwner {
  const context = {
    ...{ streams, store: new FakeStore(), clock: systemClock, log: silentLog, workerId: "worker" },
    ...{
      rules: { windowMs: 86_400_000, partitions: 1, sessionMemoryMs: 2 * 86_400_000 },
      rawRetentionMs: 0,
    },
    turns: new SlicedTurns(systemClock),
  };
  return new PartitionOwner(context, { partition: 0, epoch: 1 });
}

/** One message for each number. */
async function publish(numbers: readonly number[], publisher = "ingest"): Promise<void> {
  for (const number of numbers) {
    const payloads = [0, `token-${number}`, 30_000, 0, 1, 60_000];
    const text = { v: 1, publisher, number, actors: ["Customer1", "channel1"], payloads };
    await link.connection.jetstream().publish("payloads.0000", JSON.stringify(text));
  }
}

async function readsThrough(owner: PartitionOwner, sequence: number): Promise<void> {
  await until(() => owner.state.sequence === sequence, { what: `${sequence} is applied` });
}

test("a number that its publisher gave up is no harm: what was read is what the leader has", async () => {
  await publish([1, 2, 3]);
  await publish([1], "another");
  const owner = own();
  await readsThrough(owner, 4);
  expect(asked).toEqual([]);
  await publish([7, 8]);
  await readsThrough(owner, 6);
  expect(asked.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
  expect(await owner.stop()).toEqual({ kind: "stopped" });
});

test("numbers that a replica lacks stop the owner before it commits what it read", async () => {
  await publish([1, 2, 3]);
  const owner = own();
  await readsThrough(owner, 3);
  // The leader has other messages under 4 and 5: numbers 4 and 5, which were acknowledged.
  differing = 4;
  await publish([3, 3, 6]);
  const end = await owner.done;
  expect(end.kind).toBe("halted");
  expect(end).toMatchObject({ reason: expect.stringMatching(/replicas disagree: message 4 /) });
});

test("a second gap soon after the first one is looked into as well", async () => {
  await publish([1, 2, 3]);
  const owner = own();
  await publish([5]);
  await readsThrough(owner, 4);
  await until(() => asked.length === 4, { what: "the first gap is looked into" });
  differing = 4;
  await publish([7]);
  expect(await owner.done).toMatchObject({ kind: "halted" });
});

test("what was trimmed since is not compared", async () => {
  await publish([1, 2, 3]);
  const owner = own();
  await readsThrough(owner, 3);
  await real.purge(0, 2);
  await publish([5]);
  await readsThrough(owner, 4);
  expect(await owner.stop()).toEqual({ kind: "stopped" });
});
