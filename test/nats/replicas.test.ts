/** How many copies streams have, on a cluster of three nats-servers. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { checkNats } from "../../src/cli/doctor/checks.ts";
import { isHealthy, type NatsNodePorts, prepareNatsNode } from "../../src/cluster/natsNode.ts";
import { readConfig } from "../../src/config.ts";
import { findNatsServer } from "../../src/embedded/natsBinary.ts";
import { ServerProcess } from "../../src/embedded/serverProcess.ts";
import { Watcher } from "../../src/embedded/watcher.ts";
import { createLog } from "../../src/log.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import {
  copiesOf,
  ensureStreams,
  listStreams,
  lowerCopiesCommand,
  makeMissingStream,
  prepareStreams,
} from "../../src/nats/topology.ts";
import { freePort, temporaryDirectory, testBinDir, testLog } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { connectTo } from "./support.ts";

const partitions = 3;
const names = ["PAYLOADS_0000", "PAYLOADS_0001", "PAYLOADS_0002"] as const;
const watcher = new Watcher(testLog);
const servers: ServerProcess[] = [];
let url: string;
let link: NatsLink;

beforeAll(async () => {
  const dataDir = temporaryDirectory();
  await mkdir(join(dataDir, "log"));
  const binary = await findNatsServer(testBinDir, testLog);
  const ports: NatsNodePorts[] = [];
  for (let index = 0; index < 3; index++) {
    ports.push({ client: await freePort(), route: await freePort(), monitor: await freePort() });
  }
  for (const index of ports.keys()) {
    const spec = await prepareNatsNode(dataDir, binary, index, ports, testLog);
    servers.push(new ServerProcess(spec, watcher, testLog));
  }
  await Promise.all(servers.map((server) => server.start(false)));
  const healthy = () => Promise.all(ports.map(({ monitor }) => isHealthy(monitor)));
  await until(async () => (await healthy()).every((one) => one), {
    what: "the three nats-servers are one cluster",
    timeoutMs: 30_000,
  });
  url = servers.map((server) => server.url).join(",");
  link = await connectTo(url);
});
afterAll(async () => {
  await link.close();
  await Promise.all(servers.map((server) => server.stop()));
  await watcher.close();
});

/** While it elects leaders, the broker leaves their streams out of its answers. */
async function expectCopies(...counts: readonly number[]): Promise<void> {
  const told = async () => {
    const streams = await listStreams(link, partitions);
    const found = new Map(streams.map((info) => [info.config.name, copiesOf(info)]));
    return found.size === partitions ? found : undefined;
  };
  const copies = await until(told, { what: "the broker tells of all streams", timeoutMs: 30_000 });
  expect([...copies].toSorted()).toEqual(names.map((name, index) => [name, counts[index] ?? 0]));
}

/** What a process that was started with this many says in its log. */
async function warningsOf(replicas: number): Promise<unknown[]> {
  const lines: unknown[] = [];
  const log = createLog(
    "warn",
    (line) => lines.push(JSON.parse(line)),
    () => 0,
  );
  await prepareStreams(link, { partitions, replicas }, log);
  return lines;
}

async function doctorSays(replicas: string): Promise<readonly string[]> {
  const config = readConfig({
    NATS_URL: url,
    PARTITIONS: String(partitions),
    STREAM_REPLICAS: replicas,
  });
  const findings = await checkNats(config);
  const found = findings.filter(({ check }) => check === "copies of streams");
  return found.map(({ result, detail }) => `${result}: ${detail}`);
}

test("a start adds copies, and takes none away", async () => {
  await ensureStreams(link, { partitions, replicas: 1 });
  await expectCopies(1, 1, 1);
  expect(await warningsOf(3)).toEqual([]);
  await expectCopies(3, 3, 3);
  expect(await warningsOf(1)).toHaveLength(1);
  await expectCopies(3, 3, 3);
});

test("bounds that an operator has set stay where copies are added", async () => {
  const bounds = { max_bytes: 50_000_000, max_msgs: 1_000 };
  await ensureStreams(link, { partitions, replicas: 1 });
  await link.manager.streams.update(names[1], bounds);
  await ensureStreams(link, { partitions, replicas: 3 });
  const { config } = await link.manager.streams.info(names[1]);
  expect(config).toMatchObject({ num_replicas: 3, ...bounds });
});

test("streams with more or fewer copies are named, with the way down", async () => {
  await ensureStreams(link, { partitions, replicas: 3 });
  // What the command does that the warning names.
  await link.manager.streams.update(names[1], { num_replicas: 1 });
  await expectCopies(3, 1, 3);
  const toLower = "nats stream edit PAYLOADS_0000 --replicas 1";
  expect(lowerCopiesCommand(names[0], 1)).toBe(toLower);
  expect(await warningsOf(1)).toMatchObject([
    {
      level: "warn",
      message: "streams have more copies than STREAM_REPLICAS says, and keep them",
      streamReplicas: 1,
      streams: ["PAYLOADS_0000: 3", "PAYLOADS_0002: 3"],
      toLower,
    },
  ]);
  expect(await doctorSays("1")).toEqual([
    "warning: more than STREAM_REPLICAS=1: PAYLOADS_0000 (3), PAYLOADS_0002 (3); correct the " +
      `setting here, or lower them on purpose: ${toLower}`,
  ]);
  expect(await doctorSays("3")).toEqual([
    "warning: fewer than STREAM_REPLICAS=3: PAYLOADS_0001 (1); the next start adds them",
  ]);
  expect(await warningsOf(3)).toEqual([]);
  await expectCopies(3, 3, 3);
  expect(await doctorSays("3")).toEqual([]);
});

test("a stream that is made anew has as many copies as the others", async () => {
  await ensureStreams(link, { partitions, replicas: 3 });
  await expectCopies(3, 3, 3);
  await link.manager.streams.delete(names[2]);
  await makeMissingStream(link, { partitions, replicas: 1 }, 2);
  await expectCopies(3, 3, 3);
});
