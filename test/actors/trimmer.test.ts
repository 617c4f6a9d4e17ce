/** What is dropped from a real stream, and when. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { Trimmer } from "../../src/actors/trimmer.ts";
import { silentLog } from "../../src/log.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { JetStreamStreams } from "../../src/nats/streams.ts";
import { ensureStreams } from "../../src/nats/topology.ts";
import { connectTo } from "../nats/support.ts";
import { freshNatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";

const hourMs = 3_600_000;
const partition = 0;
let link: NatsLink;
let streams: JetStreamStreams;
/** The clock of the trimmer: it only paces. */
let monotonicMs = 0;
/** The last sequence that the event log names, of windows sealed long ago and of all. */
let sealedSequence = 0;
let newestSequence = 0;
/** How often the event log was asked what may go. */
let asked = 0;

beforeAll(async () => {
  link = await connectTo((await freshNatsServer()).url);
  streams = new JetStreamStreams(link, silentLog);
});
afterAll(() => link.close());
beforeEach(async () => {
  for await (const name of link.manager.streams.names()) await link.manager.streams.delete(name);
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  monotonicMs = 0;
  sealedSequence = 0;
  newestSequence = 0;
  asked = 0;
});

function trimmer(rawRetentionMs: number): Trimmer {
  return new Trimmer({
    ...{ partition, streams, rawRetentionMs, log: silentLog },
    store: {
      lastSealedSequence: async (_, windowEndMs) => {
        if (windowEndMs > Date.now() + hourMs) return Math.max(sealedSequence, newestSequence);
        asked++;
        return sealedSequence;
      },
    },
    clock: { now: () => Date.now(), monotonic: () => monotonicMs },
  });
}

async function ticks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await streams.tick(partition);
}

async function trimmedTo(firstSequence: number): Promise<void> {
  await until(async () => (await streams.state(partition)).firstSequence === firstSequence, {
    what: `the stream to begin at ${firstSequence}`,
  });
}

test("ticks of a partition that never sealed an event go, and nothing that is not sealed", async () => {
  await ticks(20);
  const trims = trimmer(0);
  trims.sealed(Date.now() + 1, 15);
  await trimmedTo(16);
  // Another look in the stream waits for an hour, however much was sealed since.
  monotonicMs += hourMs / 2;
  await until(
    () => {
      trims.sealed(Date.now() + 1, 20);
      return asked === 2;
    },
    { what: "the event log to be asked" },
  );
  monotonicMs += hourMs;
  await until(
    async () => {
      trims.sealed(Date.now() + 1, 19);
      return (await streams.state(partition)).firstSequence === 20;
    },
    { what: "the next ticks to go" },
  );
});

test("ticks within the retention stay", async () => {
  await ticks(1);
  const first = await streams.message(partition, 1);
  const last = await until(
    async () => {
      const message = await streams.message(partition, await streams.tick(partition));
      return (message?.timeMs ?? 0) > (first?.timeMs ?? 0) + 2 ? message : undefined;
    },
    { what: "a tick some milliseconds later" },
  );
  const trims = trimmer(hourMs);
  trims.sealed((last?.timeMs ?? 0) + hourMs, last?.sequence ?? 0);
  await until(async () => (await streams.state(partition)).firstSequence > 1, {
    what: "the first tick to go",
  });
  expect(await streams.message(partition, last?.sequence ?? 0)).toEqual(last);
});

test("what the event log names goes without a look in the stream, not too often", async () => {
  await ticks(10);
  const trims = trimmer(0);
  sealedSequence = 4;
  trims.sealed(Date.now(), 10);
  await trimmedTo(5);
  sealedSequence = 8;
  for (let i = 0; i < 5; i++) trims.sealed(Date.now(), 10);
  monotonicMs += 30_000;
  await until(
    async () => {
      trims.sealed(Date.now(), 10);
      return (await streams.state(partition)).firstSequence === 9;
    },
    { what: "the next messages to go" },
  );
  expect(asked).toBe(2);
});

test("room is made at once, whatever was trimmed lately", async () => {
  await ticks(10);
  const trims = trimmer(0);
  sealedSequence = 4;
  trims.sealed(Date.now(), 10);
  await trimmedTo(5);
  sealedSequence = 8;
  await until(
    async () => {
      trims.makeRoom();
      return (await streams.state(partition)).firstSequence === 9;
    },
    { what: "room to be made" },
  );
});

test("room is made after a restart as well, before what open windows hold", async () => {
  await ticks(10);
  const window = { cdn: "0", p2p: "0", sessions: 0, duplicates: 1 };
  const trims = trimmer(0);
  trims.restored(9, [
    { ...window, payloads: 1, firstSequence: 8, lastSequence: 9 },
    { ...window, payloads: 1, firstSequence: 6, lastSequence: 6 },
    { ...window, payloads: 0, firstSequence: 0, lastSequence: 0 },
  ]);
  trims.makeRoom();
  await trimmedTo(6);
  const others = trimmer(0);
  others.restored(9, []);
  others.makeRoom();
  await trimmedTo(10);
});

test("what was sealed a moment ago stays, however long ago it was received", async () => {
  await ticks(10);
  const trims = trimmer(0);
  sealedSequence = 4;
  newestSequence = 8;
  trims.sealed(Date.now() + 1, 10);
  await trimmedTo(5);
  // The second look finds nothing more that is old, and more that is not.
  monotonicMs += hourMs;
  await until(
    () => {
      trims.sealed(Date.now() + 1, 10);
      return asked === 2;
    },
    { what: "the event log to be asked again" },
  );
  sealedSequence = 8;
  monotonicMs += hourMs;
  await until(
    async () => {
      trims.sealed(Date.now() + 1, 10);
      return (await streams.state(partition)).firstSequence > 5;
    },
    { what: "the next messages to go" },
  );
  expect((await streams.state(partition)).firstSequence).toBe(9);
});
