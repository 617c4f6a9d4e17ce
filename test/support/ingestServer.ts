/** The public application on a free port, over a log of payloads in memory. */
import type { AnyElysia } from "elysia";
import type { ReadinessCheck } from "../../src/actors/readPorts.ts";
import { createIngest, type IngestDependencies } from "../../src/http/ingest.ts";
import { createPublicApp } from "../../src/http/publicApp.ts";
import { serveHttp } from "../../src/http/server.ts";
import { createLog } from "../../src/log.ts";
import { RecordingPayloadLog } from "./recordingPayloadLog.ts";

export type TestBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

interface IngestServerOptions extends Partial<IngestDependencies> {
  readonly ingestRole?: boolean;
  /** Serve POST /stats before the router, as the hot path does. */
  readonly direct?: boolean;
  readonly checks?: readonly ReadinessCheck[];
  readonly controllers?: readonly AnyElysia[];
}

export const goodPayload = {
  token: "c98arf53-ae39-4c9d-af44-c6957ee2f748",
  customer: "Customer1",
  content: "channel1",
  timespan: 30000,
  p2p: 0,
  cdn: 1,
  sessionDuration: 2,
};

export function startIngestServer(options: IngestServerOptions = {}) {
  const payloadLog = new RecordingPayloadLog();
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
  const app = createPublicApp({
    log,
    readiness: async () => options.checks ?? [],
    ingest: options.ingestRole === false ? undefined : ingest,
    controllers: options.controllers ?? [],
  });
  const directPosts = options.direct ? { "/stats": ingest.single } : {};
  const server = serveHttp({ app, host: "127.0.0.1", port: 0, log, directPosts });
  const post = (path: string, body: TestBody, headers: Record<string, string> = {}) =>
    fetch(server.url + path, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...headers },
    });
  return { ...server, server, payloadLog, counts, logLines, post };
}

export type IngestServer = ReturnType<typeof startIngestServer>;
