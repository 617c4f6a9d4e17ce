/** The public application on a free port, over a log of payloads and rows in memory. */
import type { ReadinessCheck } from "../../src/actors/readPorts.ts";
import { createIngest, type IngestDependencies } from "../../src/http/ingest.ts";
import { directPosts } from "../../src/http/ingestController.ts";
import { createPublicApp } from "../../src/http/publicApp.ts";
import { serveHttp } from "../../src/http/server.ts";
import { createLog } from "../../src/log.ts";
import { documentedFetch } from "./documented.ts";
import { MemoryStatsQueries } from "./memoryStatsQueries.ts";
import { RecordingPayloadLog } from "./recordingPayloadLog.ts";

export type TestBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

interface PublicServerOptions extends Partial<IngestDependencies> {
  readonly checks?: readonly ReadinessCheck[];
}

export const windowMs = 300_000;
/** The start of the first window of the rows that tests add. */
const firstWindowMs = Date.UTC(2026, 0, 31, 10);

export function startPublicServer(options: PublicServerOptions = {}) {
  const payloadLog = new RecordingPayloadLog();
  const queries = new MemoryStatsQueries();
  const logLines: string[] = [];
  const log = createLog(
    "debug",
    (line) => logLines.push(line),
    () => 0,
  );
  const counts = { accepted: 0, refused: new Map<string, number>() };
  const counters = {
    accepted: (payloads: number) => {
      counts.accepted += payloads;
    },
    refused: (reason: string, count: number) => {
      counts.refused.set(reason, (counts.refused.get(reason) ?? 0) + count);
    },
  };
  const ingest = createIngest({ payloadLog, counters, log, ...options });
  const readiness = async () => options.checks ?? [];
  const app = createPublicApp({ log, readiness, ingest, queries, windowMs });
  const place = { host: "127.0.0.1", port: 0 };
  const server = serveHttp({ app, ...place, log, directPosts: directPosts(ingest) });
  const ask = documentedFetch(server.url);
  const get = (path: string, headers: Record<string, string> = {}) => ask(path, { headers });
  const post = (path: string, body: TestBody, headers: Record<string, string> = {}) =>
    ask(path, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...headers },
    });
  const addStats = (windows: number, customer: string, content: string, cdn = 1n, p2p = 2n) => {
    const windowStartMs = firstWindowMs + windows * windowMs;
    const windowEndMs = windowStartMs + windowMs;
    queries.statsRows.push({ windowStartMs, windowEndMs, customer, content, cdn, p2p });
  };
  return { ...server, payloadLog, queries, counts, logLines, get, post, addStats };
}
