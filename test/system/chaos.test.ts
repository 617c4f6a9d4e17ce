/** A short run of `bun run chaos`: real processes, real faults, an independent verdict. */
import { afterAll, expect, test } from "bun:test";
import type { Blow, Fault } from "../../src/cluster/chaos/faults.ts";
import { describeRun } from "../../src/cluster/chaos/report.ts";
import { Chaos } from "../../src/cluster/chaos/run.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import { dataDirectory, testBinDir, testLog } from "../support/servers.ts";

const windowMs = 2_000;
const leaseMs = 1_000;
const partitions = 3;
let cluster: Cluster | undefined;

afterAll(() => cluster?.stop());

function blow(atBoundary: boolean, ...faults: [Fault, ...Fault[]]): Blow {
  return { faults, gapMs: 200, share: 0, atBoundary, offsetMs: -300 };
}

const blows: readonly Blow[] = [
  blow(
    true,
    { target: "worker", action: "pause for long", pick: 0, durationMs: 1_600 },
    { target: "postgres", action: "terminate backends", pick: 0, durationMs: 1_200 },
  ),
  blow(true, { target: "worker", action: "kill", pick: 0.9, durationMs: 300 }),
  blow(true, { target: "postgres", action: "kill", pick: 0, durationMs: 300 }),
  blow(
    false,
    { target: "ingest", action: "kill", pick: 0, durationMs: 300 },
    { target: "projector", action: "pause", pick: 0, durationMs: 600 },
  ),
  blow(false, { target: "nats", action: "kill", pick: 0.4, durationMs: 500 }),
];

test("faults of every kind under load: acknowledged payloads count once, and every row is right", async () => {
  cluster = await Cluster.start({
    dataDir: await dataDirectory(),
    binDir: testBinDir,
    ...{ ingests: 2, workers: 2, projectors: 1, admins: 0 },
    env: { WINDOW: "2s", PARTITIONS: String(partitions), LEASE: "1s", LOG_LEVEL: "warn" },
    restartServers: false,
    log: testLog,
  });
  const options = { seed: 1, forMs: 16_000, blows, windowMs, partitions, leaseMs };
  const load = { payloadsPerSecond: 200 };
  const chaos = new Chaos(cluster, { ...options, ...load }, () => {});
  const result = await chaos.run(new AbortController().signal);
  if (result.differences.length > 0) {
    process.stderr.write(`${describeRun({ ...options, ...load }, result)}\n`);
  }
  expect(result.differences).toEqual([]);
  expect(result.done).toHaveLength(7);
  expect(result.counts.acknowledged).toBeGreaterThan(500);
  expect(result.unexpectedEnds).toEqual([]);
}, 180_000);
