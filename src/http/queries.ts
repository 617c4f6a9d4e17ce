/** The public queries: rows of sealed windows, a page at a time. */
import { Elysia } from "elysia";
import type { RowPage, StatsQueries, WindowQuery, WindowRow } from "../actors/readPorts.ts";
import type { ActorName } from "../domain/actorName.ts";
import type { Log } from "../log.ts";
import { encodeCursor, readCursor } from "./cursor.ts";
import { bucketMsMax, rowsDefault, rowsMax } from "./limits.ts";
import { askPort } from "./portCall.ts";
import { queryDetails } from "./queryDocs.ts";
import { pathNames, QueryReader } from "./queryParams.ts";
import { csvPage, jsonPage, type RowKind, sessionsRows, statsRows } from "./rows.ts";

interface QueryDependencies {
  readonly queries: StatsQueries;
  readonly windowMs: number;
  readonly log: Log;
}

interface PageRequest {
  readonly query: WindowQuery;
  readonly format: "json" | "csv";
  /** What a cursor is good for. */
  readonly filters: readonly unknown[];
}

/** The plugin with `GET /stats`, `GET /sessions` and `GET /stats/:customer/:content`. */
export function queryController({ queries, windowMs, log }: QueryDependencies) {
  async function answer<Row extends WindowRow>(
    url: string,
    kind: RowKind<Row>,
    ask: (query: WindowQuery) => Promise<RowPage<Row>>,
    path?: ActorName,
  ): Promise<Response> {
    const { query, format, filters } = readPageRequest(url, kind.name, windowMs, path);
    const page = await askPort(log, () => ask(query));
    const last = page.more ? page.rows.at(-1) : undefined;
    const cursor = last && encodeCursor({ ...last, order: String(last.windowEndMs) }, filters);
    return (format === "csv" ? csvPage : jsonPage)(kind, page, cursor);
  }

  const details = queryDetails(windowMs);
  return new Elysia({ name: "queries" })
    .get(
      "/stats",
      ({ request }) => answer(request.url, statsRows, (query) => queries.stats(query)),
      { detail: details.stats },
    )
    .get(
      "/sessions",
      ({ request }) => answer(request.url, sessionsRows, (query) => queries.sessions(query)),
      { detail: details.sessions },
    )
    .get(
      "/stats/:customer/:content",
      ({ request }) => {
        const [customer = "", content = ""] = pathNames(request.url, 2);
        const ask = (query: WindowQuery) => queries.stats(query);
        return answer(request.url, statsRows, ask, { customer, content });
      },
      { detail: details.one },
    );
}

function readPageRequest(
  url: string,
  rows: string,
  windowMs: number,
  path: ActorName | undefined,
): PageRequest {
  const reader = new QueryReader(url);
  const customer = nameFilter(reader, "customer", path);
  const content = nameFilter(reader, "content", path);
  const fromMs = reader.time("from");
  const toMs = reader.time("to");
  if (fromMs !== undefined && toMs !== undefined && toMs < fromMs) {
    reader.refuse("to", "must not be before from");
  }
  const bucketMs = reader.multiple("bucket", windowMs, bucketMsMax) ?? windowMs;
  const order = reader.oneOf("order", ["desc", "asc"]) ?? "desc";
  const limit = reader.integer("limit", 1, rowsMax) ?? rowsDefault;
  const format = reader.oneOf("format", ["json", "csv"]) ?? "json";
  const filters = [rows, customer, content, fromMs, toMs, bucketMs, order];
  const cursor = readCursor(reader, filters);
  const after = cursor && { ...cursor, timeMs: Number(cursor.order) };
  reader.finish();
  const query = { customer, content, fromMs, toMs, bucketMs, order, limit, after };
  return { query, format, filters };
}

/** A name may stand in the path and in the query as well, if it is the same. */
function nameFilter(reader: QueryReader, name: keyof ActorName, path: ActorName | undefined) {
  const given = reader.name(name);
  if (path === undefined || given === undefined) return path?.[name] ?? given;
  return given === path[name] ? given : reader.refuse(name, "is not the one in the path");
}
