/** The admin application on a free port, over ports in memory. */
import type { ProjectionInfo } from "../../src/actors/projectionPorts.ts";
import type { ActorView, PartitionInfo, RecordedEvent } from "../../src/actors/readPorts.ts";
import { createAdminApp } from "../../src/http/adminApp.ts";
import { serveHttp } from "../../src/http/server.ts";
import { createLog } from "../../src/log.ts";
import { documentedFetch } from "./documented.ts";
import { MemoryActors, MemoryAdminQueries, MemoryProjectionControl } from "./memoryAdmin.ts";
import { MemoryHistory } from "./memoryHistory.ts";
import { MemoryLedger, MemoryPartitionControl, MemoryQuarantine } from "./memoryOperations.ts";

export function startAdminServer(adminToken?: string) {
  const actors = new MemoryActors();
  const queries = new MemoryAdminQueries();
  const projections = new MemoryProjectionControl();
  const quarantine = new MemoryQuarantine();
  const partitionControl = new MemoryPartitionControl();
  const ledger = new MemoryLedger();
  const history = new MemoryHistory();
  const logLines: string[] = [];
  const log = createLog(
    "debug",
    (line) => logLines.push(line),
    () => 0,
  );
  const app = createAdminApp({
    log,
    readiness: async () => [{ name: "postgres", ok: true, detail: "answers" }],
    adminToken,
    partitions: 16,
    actors,
    queries,
    projections,
    quarantine,
    partitionControl,
    ledger,
    history,
    windowMs: 300_000,
    metrics: async () => "payload_stats_up 1\n",
  });
  const server = serveHttp({ app, host: "127.0.0.1", port: 0, log });
  const ask = documentedFetch(server.url, { authorization: `Bearer ${adminToken}` });
  const get = (path: string, headers: Record<string, string> = {}) => ask(path, { headers });
  const post = (path: string, headers: Record<string, string> = {}) =>
    ask(path, { method: "POST", headers });
  const operations = { quarantine, partitionControl, ledger, history };
  return { server, actors, queries, projections, ...operations, logLines, get, post };
}

export type AdminServer = ReturnType<typeof startAdminServer>;

export function openActor(customer: string, content: string): ActorView {
  return {
    customer,
    content,
    partition: 7,
    owner: "host1-1-a",
    epoch: 3,
    state: "open",
    window: {
      windowStart: "2026-01-31T10:10:00.000Z",
      windowEnd: "2026-01-31T10:15:00.000Z",
      cdn: "9223372036854775808",
      p2p: "0",
      sessions: 1,
      payloads: 2,
      duplicates: 0,
      firstSequence: 10,
      lastSequence: 11,
    },
  };
}

export function runningPartition(partition: number): PartitionInfo {
  return {
    partition,
    owner: "host1-1-a",
    epoch: 3,
    sequence: 11,
    position: 2,
    sealedThrough: "2026-01-31T10:10:00.000Z",
    checkpointedAt: "2026-01-31T10:10:00.100Z",
    stopped: null,
    halted: false,
  };
}

export function idleProjection(name: string): ProjectionInfo {
  return {
    name,
    version: 1,
    state: "running",
    applied: 2,
    events: 2,
    sealedThrough: "2026-01-31T10:10:00.000Z",
    rebuild: null,
    lastRebuild: null,
  };
}

export function sealedEvent(customer: string, content: string, position = 1): RecordedEvent {
  return {
    partition: 7,
    position,
    type: "WindowSealed",
    version: 1,
    customer,
    content,
    windowEnd: "2026-01-31T10:10:00.000Z",
    data: { cdn: "1", p2p: "0", sessions: 1, tokens: "AAAAAAAAAAA=" },
    recordedAt: "2026-01-31T10:10:00.100Z",
    sealedBy: "host0-1-a",
    epoch: 2,
  };
}
