/** A run of chaos ends, also when the cluster never recovers. */
import { afterAll, expect, test } from "bun:test";
import type { Blow } from "../../src/cluster/chaos/faults.ts";
import { Chaos } from "../../src/cluster/chaos/run.ts";
import { RoleProcess } from "../../src/cluster/roleProcess.ts";
import { ServerProcess } from "../../src/embedded/serverProcess.ts";
import { Watcher } from "../../src/embedded/watcher.ts";
import { temporaryDirectory, testLog } from "../support/servers.ts";

const watcher = new Watcher(testLog);
afterAll(() => watcher.close());

/** Nothing listens there. */
const nowhere = "127.0.0.1:9";

/** A cluster of which nothing runs but an ingest that takes so many requests. */
function ruins(ingestUrl: string) {
  const logFile = `${temporaryDirectory()}/log`;
  const postgres = new ServerProcess(
    {
      ...{ name: "postgres", url: `postgres://u@${nowhere}/d`, command: ["false"] },
      ...{ logFile, stopSignal: "SIGTERM", watchSignal: "TERM", ready: async () => false },
    },
    watcher,
    testLog,
  );
  const ingest = { name: "ingest-1", role: "ingest", env: {}, logFile } as const;
  return {
    postgres,
    nats: [],
    roles: [new RoleProcess(ingest, watcher, testLog)],
    databaseUrl: postgres.url,
    natsUrl: `nats://${nowhere}`,
    ingestUrls: [ingestUrl],
    natsRecovered: async () => {},
  };
}

const blow: Blow = {
  faults: [{ target: "ingest", action: "pause", pick: 0, durationMs: 1 }],
  ...{ gapMs: 0, share: 0, atBoundary: false, offsetMs: 0 },
};
const options = {
  ...{ seed: 1, forMs: 1_500, windowMs: 1_000, partitions: 1, leaseMs: 1_000 },
  ...{ payloadsPerSecond: 5, blows: [blow], patienceMs: 500 },
};

test("a run whose ingest never takes payloads again ends", async () => {
  // Before the fault a probe for each partition is looked for; then some of the load is taken.
  let [taken, refused] = [0, 0];
  const server = Bun.serve({
    port: 0,
    fetch: () => {
      if (taken < 3) {
        taken++;
        return Response.json({ receipt: "0.1.0" }, { status: 202 });
      }
      refused++;
      return new Response(null, { status: 503 });
    },
  });
  const chaos = new Chaos(ruins(`http://127.0.0.1:${server.port}`), options, () => {});
  const end = await Promise.race([
    chaos.run(new AbortController().signal).catch((error: unknown) => `ended: ${error}`),
    Bun.sleep(8_000).then(() => "goes on"),
  ]);
  await server.stop(true);
  // It came as far as the fault, and what it asked for after that was refused.
  expect(end).toStartWith("ended: ");
  expect(end).not.toContain("some partition takes no payload");
  expect(refused).toBeGreaterThan(0);
}, 20_000);

test("a run that fails leaves nothing behind that keeps its process from ending", async () => {
  const program = `
    import { Chaos } from ${JSON.stringify(`${import.meta.dir}/../../src/cluster/chaos/run.ts`)};
    const cluster = {
      databaseUrl: "postgres://u@${nowhere}/d", natsUrl: "", roles: [],
      ingestUrls: ["http://${nowhere}"],
    };
    const chaos = new Chaos(cluster, ${JSON.stringify({ ...options, blows: [] })}, () => {});
    await chaos.run(new AbortController().signal).catch(() => { process.exitCode = 1; });
  `;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "ignore" });
  const code = await Promise.race([child.exited, Bun.sleep(8_000).then(() => "runs on")]);
  child.kill("SIGKILL");
  expect(code).toBe(1);
}, 20_000);
