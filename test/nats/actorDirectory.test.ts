import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../src/actors/clock.ts";
import {
  type ActorKey,
  type ActorQuery,
  type ActorView,
  type ActorViews,
  PortBusy,
} from "../../src/actors/readPorts.ts";
import { TimeSlices } from "../../src/actors/timeSlices.ts";
import { partitionOf } from "../../src/domain/digest.ts";
import { silentLog } from "../../src/log.ts";
import { NatsActorDirectory } from "../../src/nats/actorDirectory.ts";
import { answerMs } from "../../src/nats/actorMessages.ts";
import { ActorServer } from "../../src/nats/actorServer.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { connectTo } from "./support.ts";

const partitions = 4;
let server: NatsServer;
/** The owner's connection, and the admin's. */
let owner: NatsLink;
let admin: NatsLink;
beforeAll(async () => {
  server = await freshNatsServer();
  owner = await connectTo(server.url);
  admin = await connectTo(server.url);
});
afterAll(async () => {
  await Promise.all([owner.close(), admin.close()]);
  await server.stop();
});

function actor(customer: string, content: string, i: number): ActorView {
  const window = {
    windowStart: "2026-01-02T03:00:00.000Z",
    windowEnd: "2026-01-02T03:05:00.000Z",
    cdn: `9007199254740993${String(i % 10)}`,
    p2p: String(i),
    sessions: i % 3,
    payloads: i,
    duplicates: 0,
    firstSequence: 1,
    lastSequence: 2,
  };
  return {
    customer,
    content,
    partition: partitionOf(customer, content, partitions),
    owner: "worker-1",
    epoch: 3,
    state: i % 4 === 0 ? "idle" : "open",
    window: i % 4 === 0 ? undefined : window,
  };
}

/** More than fit into one reply of an owner. */
const all = Array.from({ length: 3_000 }, (_, i) =>
  actor(
    `Customer ${i % 50} \u{1f600}${"y".repeat(400)}`,
    `content.${i} * > "${"x".repeat(400)}"`,
    i,
  ),
);

function actorServer(): ActorServer {
  return new ActorServer(owner, silentLog, new TimeSlices(systemClock));
}

/** Serves these partitions until disposed of. */
async function serving(owned: readonly number[]) {
  const actors = actorServer();
  const stops = owned.map((partition) => {
    const mine = all.filter((one) => one.partition === partition);
    const views: ActorViews = {
      caughtUp: async () => {},
      all: (wanted) => mine.filter(wanted),
      find: (customer, content) =>
        mine.find((one) => one.customer === customer && one.content === content),
    };
    return actors.serveActors(partition, views);
  });
  await owner.connection.flush();
  return {
    directory: new NatsActorDirectory(admin, partitions),
    [Symbol.asyncDispose]: async () => {
      for (const stop of stops) stop();
      await owner.connection.flush();
    },
  };
}

function query(fields: Partial<ActorQuery> = {}): ActorQuery {
  return { sort: "name", limit: 50, ...fields };
}

const bytesOf = ({ window }: ActorView) =>
  window === undefined ? 0n : BigInt(window.cdn) + BigInt(window.p2p);

test("pages put together are the whole, in order, over all owners", async () => {
  await using served = await serving([0, 1, 2, 3]);
  for (const sort of ["name", "payloads", "bytes", "sessions"] as const) {
    const pages: ActorView[] = [];
    let after: ActorKey | undefined;
    do {
      const page = await served.directory.list(query({ sort, limit: 1_000, after }));
      expect([page.total, page.silentPartitions]).toEqual([all.length, []]);
      pages.push(...page.actors);
      after = page.next;
    } while (after !== undefined);
    expect(pages).toHaveLength(all.length);
    expect(new Set(pages.map((one) => one.content)).size).toBe(all.length);
    if (sort === "bytes") {
      const sums = pages.map(bytesOf);
      for (let i = 1; i < sums.length; i++)
        expect(sums[i - 1] ?? 0n).toBeGreaterThanOrEqual(sums[i] ?? 0n);
    }
    if (sort === "payloads") expect(pages[0]?.window?.payloads).toBe(2_999);
    if (sort === "name") {
      const names = pages.map((one) => `${one.customer}\u0000${one.content}`);
      expect(names).toEqual([...names].sort());
    }
  }
});

test("rows arrive as they were given", async () => {
  await using served = await serving([0, 1, 2, 3]);
  const { actors } = await served.directory.list(query({ limit: 3_000 }));
  const byContent = new Map(actors.map((one) => [one.content, one]));
  for (const one of all) expect(byContent.get(one.content)).toEqual(one);
});

test("filters are applied by the owners", async () => {
  await using served = await serving([0, 1, 2, 3]);
  const customer = all[7]?.customer ?? "";
  const found = await served.directory.list(query({ customer, state: "open", limit: 1_000 }));
  const expected = all.filter((one) => one.customer === customer && one.state === "open");
  expect(found.total).toBe(expected.length);
  expect(new Set(found.actors.map((one) => one.content))).toEqual(
    new Set(expected.map((one) => one.content)),
  );
});

test("one actor is asked of its own partition only", async () => {
  const wanted = all[123];
  if (wanted === undefined) throw new Error("no such actor");
  await using served = await serving([wanted.partition]);
  expect(await served.directory.get(wanted.customer, wanted.content)).toEqual(wanted);
  const { customer, content } = wanted;
  expect((await served.directory.list(query({ customer, content }))).actors).toEqual([wanted]);
  const unknown = Array.from({ length: 100 }, (_, i) => `nobody-${i}`);
  const here =
    unknown.find((name) => partitionOf(name, "x", partitions) === wanted.partition) ?? "";
  const away =
    unknown.find((name) => partitionOf(name, "x", partitions) !== wanted.partition) ?? "";
  expect(await served.directory.get(here, "x")).toBeUndefined();
  expect(await served.directory.get(away, "x")).toBe("silent");
});

test("a partition without an owner is reported at once, one that hangs after the time-out", async () => {
  await using served = await serving([0, 2]);
  const startMs = performance.now();
  const found = await served.directory.list(query());
  expect(found.silentPartitions).toEqual([1, 3]);
  expect(performance.now() - startMs).toBeLessThan(answerMs);

  const inOne = all.find(({ partition }) => partition === 1);
  if (inOne === undefined) throw new Error("no such actor");
  const hanging = owner.connection.subscribe("payload-stats.actors.1", { callback: () => {} });
  await owner.connection.flush();
  const impatient = new NatsActorDirectory(admin, partitions, 100);
  const askedMs = performance.now();
  expect(await impatient.get(inOne.customer, inOne.content)).toBe("silent");
  expect(performance.now() - askedMs).toBeGreaterThanOrEqual(90);
  hanging.unsubscribe();
});

test("an answer that cannot be read leaves its partition silent", async () => {
  await using served = await serving([0, 2, 3]);
  for (const answer of ["{", "null", '{"v":1,"actors":[]}', "\u00ff"]) {
    const odd = owner.connection.subscribe("payload-stats.actors.1", {
      callback: (_error, msg) => msg.respond(answer),
    });
    await owner.connection.flush();
    const { total, silentPartitions } = await served.directory.list(query({ limit: 5_000 }));
    expect(silentPartitions).toEqual([1]);
    expect(total).toBe(all.filter(({ partition }) => partition !== 1).length);
    odd.unsubscribe();
  }
});

test("lists that take long leave turns of the event loop to others", async () => {
  let turn = 0;
  let counting = setImmediate(function count() {
    turn++;
    counting = setImmediate(count);
  });
  const actors = actorServer();
  const turns: number[] = [];
  const all = () => {
    turns.push(turn);
    const endMs = performance.now() + 10;
    while (performance.now() < endMs);
    return [];
  };
  const views = { caughtUp: async () => {}, all, find: () => undefined };
  const stops = [0, 1, 2, 3].map((partition) => actors.serveActors(partition, views));
  await owner.connection.flush();
  await new NatsActorDirectory(admin, partitions).list(query());
  clearImmediate(counting);
  for (const stop of stops) stop();
  expect(new Set(turns).size).toBe(partitions);
});

test("one list is made at a time, a few wait, and more are refused", async () => {
  await using served = await serving([0, 1, 2, 3]);
  const lists = Array.from({ length: 20 }, () => served.directory.list(query()));
  const outcomes = await Promise.allSettled(lists);
  const good = outcomes.filter(({ status }) => status === "fulfilled");
  expect(good).toHaveLength(9);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(PortBusy);
    else expect(outcome.value.silentPartitions).toEqual([]);
  }
  expect((await served.directory.list(query())).silentPartitions).toEqual([]);
});

test("an actor whose numbers change between two replies is listed once", async () => {
  const actors = actorServer();
  const mine = all.filter((one) => one.partition === 0 && one.window !== undefined);
  let asked = 0;
  const views: ActorViews = {
    caughtUp: async () => {},
    // All begin a new window once the first of them are told.
    all: (wanted) => {
      asked++;
      const begun = mine.map((one) => actor(one.customer, one.content, 1));
      return (asked === 1 ? mine : begun).filter(wanted);
    },
    find: () => undefined,
  };
  const stop = actors.serveActors(0, views);
  await owner.connection.flush();
  const directory = new NatsActorDirectory(admin, partitions);
  for (const limit of [mine.length - 1, mine.length, 3_000]) {
    asked = 0;
    const found = await directory.list(query({ sort: "payloads", limit }));
    expect(asked).toBeGreaterThan(1);
    expect(new Set(found.actors.map((one) => one.content)).size).toBe(found.actors.length);
    expect(found.actors).toHaveLength(Math.min(limit, mine.length));
    expect(found.next !== undefined).toBe(limit < mine.length);
  }
  stop();
});

test("an owner that fails to answer, and odd requests, leave the connection working", async () => {
  const actors = actorServer();
  const fail = () => {
    throw new Error("out of order");
  };
  const stop = actors.serveActors(0, { caughtUp: async () => {}, all: fail, find: fail });
  await owner.connection.flush();
  admin.connection.publish("payload-stats.actors.0", "no request", { reply: "somewhere" });
  const directory = new NatsActorDirectory(admin, 1, 100);
  expect((await directory.list(query())).silentPartitions).toEqual([0]);
  stop();
  await using served = await serving([0, 1, 2, 3]);
  expect((await served.directory.list(query())).silentPartitions).toEqual([]);
});
