import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { DiscardPolicy, nanos } from "nats";
import { verifyStream } from "../../src/actors/streamIdentity.ts";
import { silentLog } from "../../src/log.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { JetStreamStreams } from "../../src/nats/streams.ts";
import { copiesOf, ensureStreams } from "../../src/nats/topology.ts";
import { freshNatsServer, type NatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { connectTo, payloads, publisherOn } from "./support.ts";

let server: NatsServer;
let link: NatsLink;
beforeAll(async () => {
  server = await freshNatsServer();
  link = await connectTo(server.url);
});
afterAll(async () => {
  await link.close();
  await server.stop();
});
beforeEach(async () => {
  for await (const name of link.manager.streams.names()) await link.manager.streams.delete(name);
});

test("every partition gets a stream that never drops what was not read", async () => {
  await ensureStreams(link, { partitions: 3, replicas: 1 });
  const names = [];
  for await (const { config } of link.manager.streams.list()) {
    names.push([config.name, ...(config.subjects ?? [])]);
    expect(config).toMatchObject({
      storage: "file",
      retention: "limits",
      discard: "new",
      max_age: 0,
      max_msgs: -1,
      max_bytes: -1,
      num_replicas: 1,
    });
  }
  expect(names.sort()).toEqual([
    ["PAYLOADS_0000", "payloads.0000"],
    ["PAYLOADS_0001", "payloads.0001"],
    ["PAYLOADS_0002", "payloads.0002"],
  ]);
});

test("several processes may ask at once, and again, without touching what is there", async () => {
  const other = await connectTo(server.url);
  const topology = { partitions: 16, replicas: 1 };
  await Promise.all([link, other, link, other].map((one) => ensureStreams(one, topology)));
  const publisher = publisherOn(link, 16);
  await publisher.append(payloads(10));
  await publisher.stop();
  const before = await link.manager.getAccountInfo();
  await ensureStreams(other, topology);
  const after = await link.manager.getAccountInfo();
  expect([after.streams, after.storage]).toEqual([16, before.storage]);
  await other.close();
});

test("a stream that would lose payloads is refused by name and setting", async () => {
  await link.manager.streams.add({
    name: "PAYLOADS_0001",
    subjects: ["payloads.0001"],
    discard: DiscardPolicy.Old,
    max_age: nanos(3_600_000),
  });
  const refused = ensureStreams(link, { partitions: 2, replicas: 1 });
  await expect(refused).rejects.toThrow(/PAYLOADS_0001 .*\(discard, max_age\)/);
  // The other stream is under way, and must not be made in the next test.
  const made = () => link.manager.streams.info("PAYLOADS_0000").then(() => true);
  await until(made, { what: "the other stream is made" });
});

test("a stream with other subjects is refused", async () => {
  await link.manager.streams.add({ name: "PAYLOADS_0000", subjects: ["other"] });
  const refused = ensureStreams(link, { partitions: 1, replicas: 1 });
  await expect(refused).rejects.toThrow(/subjects/);
});

test("a subject that another stream takes is refused with the way out", async () => {
  await link.manager.streams.add({ name: "OTHER", subjects: ["payloads.*"] });
  const refused = ensureStreams(link, { partitions: 1, replicas: 1 });
  await expect(refused).rejects.toThrow(/another stream .* payloads.0000; .*remove that stream/);
});

test("a stream whose subject is taken for a moment is made, as in a race for it", async () => {
  await link.manager.streams.add({ name: "OTHER", subjects: ["payloads.0000"] });
  const refused = Promise.withResolvers<void>();
  const audit = link.connection.subscribe("$JS.EVENT.ADVISORY.API", {
    callback: (_, msg) => {
      if (msg.string().includes("overlap")) refused.resolve();
    },
  });
  await link.connection.flush();
  const ensured = ensureStreams(link, { partitions: 1, replicas: 1 });
  await refused.promise;
  await link.manager.streams.delete("OTHER");
  await ensured;
  audit.unsubscribe();
  expect((await link.manager.streams.info("PAYLOADS_0000")).state.messages).toBe(0);
});

test("replicas without a cluster are refused with the way out", async () => {
  const refused = ensureStreams(link, { partitions: 1, replicas: 3 });
  await expect(refused).rejects.toThrow(/STREAM_REPLICAS=1/);
});

test("replicas are not added to streams of a server without a cluster, which would lose them", async () => {
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  const refused = ensureStreams(link, { partitions: 1, replicas: 3 });
  await expect(refused).rejects.toThrow(/STREAM_REPLICAS=1/);
  const copies = async () => (await link.manager.streams.info("PAYLOADS_0000")).config.num_replicas;
  expect(await copies()).toBe(1);
  // What an older version of the program, or somebody else, has done is undone. A newer server
  // does not let them.
  const edited = await link.manager.streams.update("PAYLOADS_0000", { num_replicas: 3 }).then(
    ({ config }) => config.num_replicas,
    () => 1,
  );
  expect(await copies()).toBe(edited);
  const [ensured] = await ensureStreams(link, { partitions: 1, replicas: 1 });
  expect(ensured).toEqual(["PAYLOADS_0000", 1]);
  expect(await copies()).toBe(1);
});

test("a stream that was edited between two starts of the server is still the same one", async () => {
  const streams = () => new JetStreamStreams(link, silentLog);
  const restart = async () => {
    await link.close();
    await server.kill("SIGTERM");
    await server.start();
    link = await connectTo(server.url);
  };
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  const publisher = publisherOn(link, 1);
  await publisher.append(payloads(3));
  await publisher.stop();
  const { created, lastSequence } = await streams().state(0);
  const last = await streams().message(0, lastSequence);
  const place = { streamCreated: created, sequence: lastSequence, messageTime: last?.time ?? "" };
  await restart();
  await link.manager.streams.update("PAYLOADS_0000", { max_msgs: 1_000 });
  await restart();
  expect(await verifyStream(streams(), 0, place)).toBe((await streams().state(0)).created);
});

test("a feed goes on over the edit of its stream and the restarts of the server", async () => {
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  const publisher = publisherOn(link, 1);
  const feed = new JetStreamStreams(link, silentLog).feed(0, 1, async () => {});
  await publisher.append(payloads(1));
  expect((await feed.next(10)).map(({ sequence }) => sequence)).toEqual([1]);
  for (const edit of [true, false]) {
    await server.kill("SIGTERM");
    await server.start();
    await until(() => link.connected, { what: "the connection is back" });
    if (edit) await link.manager.streams.update("PAYLOADS_0000", { max_msgs: 1_000 });
  }
  const more = feed.next(10);
  await publisher.append(payloads(1));
  expect((await more).map(({ sequence }) => sequence)).toEqual([2]);
  await feed.stop();
  await publisher.stop();
});

test("a server alone holds one copy, whatever it says of a cluster without a name", async () => {
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  const info = await link.manager.streams.info("PAYLOADS_0000");
  const said = { ...info, config: { ...info.config, num_replicas: 3 } };
  expect(copiesOf(said)).toBe(1);
  expect(copiesOf({ ...said, cluster: { leader: "alone" } })).toBe(1);
  expect(copiesOf({ ...said, cluster: { name: "C", leader: "first" } })).toBe(3);
});

test("bounds that an operator has set stay", async () => {
  const bounds = { max_bytes: 50_000, max_msgs: 1_000 };
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  await link.manager.streams.update("PAYLOADS_0000", bounds);
  await ensureStreams(link, { partitions: 1, replicas: 1 });
  const { config } = await link.manager.streams.info("PAYLOADS_0000");
  expect(config).toMatchObject(bounds);
});
