/** The public application with queries only, on a free port, over rows in memory. */
import { createPublicApp } from "../../src/http/publicApp.ts";
import { createQueryController } from "../../src/http/queries.ts";
import { serveHttp } from "../../src/http/server.ts";
import { createLog } from "../../src/log.ts";
import { MemoryStatsQueries } from "./memoryStatsQueries.ts";

export const windowMs = 300_000;
/** The start of the first window of the rows that tests add. */
export const firstWindowMs = Date.UTC(2026, 0, 31, 10);

export function startQueryServer() {
  const queries = new MemoryStatsQueries();
  const logLines: string[] = [];
  const log = createLog(
    "debug",
    (line) => logLines.push(line),
    () => 0,
  );
  const app = createPublicApp({
    log,
    readiness: async () => [],
    ingest: undefined,
    controllers: [createQueryController({ queries, windowMs, log })],
  });
  const server = serveHttp({ app, host: "127.0.0.1", port: 0, log });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(server.url + path, { headers });
  const addStats = (windows: number, customer: string, content: string, cdn = 1n, p2p = 2n) => {
    const windowStartMs = firstWindowMs + windows * windowMs;
    const windowEndMs = windowStartMs + windowMs;
    queries.statsRows.push({ windowStartMs, windowEndMs, customer, content, cdn, p2p });
  };
  return { server, queries, logLines, get, addStats };
}
