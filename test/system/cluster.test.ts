/** Many processes that share one Postgres and a replicated broker. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { Load } from "../../src/cluster/chaos/load.ts";
import { PayloadMaker } from "../../src/cluster/chaos/payloads.ts";
import { SealWatch } from "../../src/cluster/chaos/seals.ts";
import { Cluster } from "../../src/cluster/cluster.ts";
import { verify } from "../../src/cluster/verifier/verify.ts";
import { Random } from "../../src/simulator/random.ts";
import { dataDirectory, testBinDir, testLog } from "../support/servers.ts";
import { until } from "../support/until.ts";

const windowMs = 2_000;
const leaseMs = 3_000;
const partitions = 6;
const startMs = 60_000;
const patience = { timeoutMs: 30_000, intervalMs: 20 };
const ending = new AbortController();
let cluster: Cluster;
let sql: postgres.Sql;
let load: Load;
let loading: Promise<void>;
let seals: SealWatch;

beforeAll(async () => {
  cluster = await Cluster.start({
    dataDir: await dataDirectory(),
    binDir: testBinDir,
    ...{ ingests: 1, workers: 3, projectors: 1, admins: 0 },
    env: { WINDOW: "2s", PARTITIONS: String(partitions), LEASE: "3s", LOG_LEVEL: "warn" },
    restartServers: false,
    log: testLog,
  });
  sql = postgres(cluster.databaseUrl, { max: 1, onnotice: () => {} });
  seals = new SealWatch(cluster.databaseUrl, windowMs);
  seals.start();
  const random = new Random(3);
  const urls = cluster.ingestUrls;
  load = new Load(random, new PayloadMaker(random, windowMs), {
    urls,
    windowMs,
    payloadsPerSecond: 100,
  });
  loading = load.run(ending.signal);
}, startMs);

afterAll(async () => {
  ending.abort();
  await loading;
  await seals.stop();
  await sql.end();
  await cluster.stop();
}, startMs);

/** How many partitions each living worker owns, by its pid, and the database's time. */
async function shares(): Promise<{ counts: ReadonlyMap<number, number>; nowMs: number }> {
  const rows = await sql<{ pid: number; owned: number; now_ms: number }[]>`
    select w.pid, count(p.partition)::int as owned,
      (extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms
    from workers w left join partitions p on p.owner = w.id
    where w.lease_until > clock_timestamp() group by w.pid
  `;
  const counts = new Map(rows.map(({ pid, owned }) => [pid, owned]));
  return { counts, nowMs: rows[0]?.now_ms ?? 0 };
}

function pids(): number[] {
  const workers = cluster.roles.filter(({ spec }) => spec.role === "worker");
  return workers.map(({ pid }) => pid ?? 0);
}

async function untilShared(): Promise<void> {
  await until(
    async () => {
      const { counts } = await shares();
      return pids().every((pid) => counts.get(pid) === partitions / 3);
    },
    { what: "three workers own two partitions each", ...patience },
  );
}

async function untilSealedAfter(ms: number): Promise<void> {
  await until(() => seals.throughMs > ms, { what: "a later window is sealed", ...patience });
}

describe("three workers", () => {
  test("share the partitions evenly", untilShared, startMs);

  test(
    "hand over what a worker that stops gracefully has, long before its lease ends",
    async () => {
      await untilShared();
      const [stopping = 0] = pids();
      const before = await shares();
      const stopped = cluster.role("worker-1").stop();
      const after = await until(
        async () => {
          const now = await shares();
          const others = [...now.counts].filter(([pid]) => pid !== stopping);
          return others.reduce((sum, [, owned]) => sum + owned, 0) === partitions ? now : false;
        },
        { what: "the others own everything", ...patience },
      );
      expect(await stopped).toBe(0);
      // On an idle machine this takes some 50 ms; that it is no wait for the lease is what counts.
      expect(after.nowMs - before.nowMs).toBeLessThan(leaseMs);
      await cluster.role("worker-1").start();
      await untilShared();
    },
    startMs,
  );

  test(
    "two owners: one that slept past its lease is refused and stands down",
    async () => {
      await untilShared();
      const sleeper = cluster.role("worker-2");
      const pid = sleeper.pid ?? 0;
      sleeper.pause();
      await until(
        async () => {
          const { counts } = await shares();
          const others = [...counts].filter(([other]) => other !== pid);
          return others.reduce((sum, [, owned]) => sum + owned, 0) === partitions;
        },
        { what: "the others have taken over", ...patience },
      );
      await untilSealedAfter(Date.now());
      sleeper.resume();
      const logFile = join(cluster.dataDir, "log", "worker-2.log");
      await until(() => readFileSync(logFile, "utf8").includes("a late commit was refused"), {
        what: "its late commit is refused",
        ...patience,
      });
      // It goes on as one of three, under new epochs.
      await untilShared();
      expect(sleeper.pid).toBe(pid);
      await untilSealedAfter(Date.now());
    },
    startMs,
  );
});

describe("three nats-servers", () => {
  test("one is lost: payloads are acknowledged and windows sealed without it", async () => {
    const [node] = cluster.nats;
    await node?.kill("SIGKILL");
    const actors = Array.from({ length: 20 }, (_, i) => ["Probe", `probe ${i}`] as const);
    await until(() => load.probe(actors, 2_000), { what: "202 without a node", ...patience });
    await untilSealedAfter(Date.now());
    await node?.start(false);
    await cluster.natsRecovered();
  }, 120_000);
});

test(
  "after all this every acknowledged payload counts once, and every row is right",
  async () => {
    ending.abort();
    await loading;
    await cluster.role("ingest-1").stop();
    await untilSealedAfter(Date.now());
    const { natsUrl, databaseUrl } = cluster;
    const { posted } = load;
    const verdict = await verify({ natsUrl, databaseUrl, partitions, windowMs, posted });
    expect(verdict.differences).toEqual([]);
    expect(verdict.counts.acknowledged).toBeGreaterThan(500);
    const [epochs] = await sql<{ owners: number }[]>`
    select count(distinct (partition, epoch))::int as owners from events
  `;
    expect(epochs?.owners).toBeGreaterThan(partitions);
  },
  startMs,
);
