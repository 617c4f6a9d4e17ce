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
    request: Request,
    kind: RowKind<Row>,
    ask: (query: WindowQuery) => Promise<RowPage<Row>>,
    path?: ActorName,
  ): Promise<Response> {
    const { query, format, filters } = readPageRequest(request, kind.name, windowMs, path);
    const page = await askPort(log, () => ask(query));
    const last = page.more ? page.rows.at(-1) : undefined;
    const cursor = last && encodeCursor({ ...last, order: String(last.windowEndMs) }, filters);
    const next = cursor && nextQuery(request.url, cursor);
    return (format === "csv" ? csvPage : jsonPage)(kind, page, { cursor, next });
  }

  const details = queryDetails(windowMs);
  return new Elysia({ name: "queries" })
    .get("/stats", ({ request }) => answer(request, statsRows, (query) => queries.stats(query)), {
      detail: details.stats,
    })
    .get(
      "/sessions",
      ({ request }) => answer(request, sessionsRows, (query) => queries.sessions(query)),
      { detail: details.sessions },
    )
    .get(
      "/stats/:customer/:content",
      ({ request }) => {
        const [customer = "", content = ""] = pathNames(request.url, 2);
        const ask = (query: WindowQuery) => queries.stats(query);
        return answer(request, statsRows, ask, { customer, content });
      },
      { detail: details.one },
    );
}

function readPageRequest(
  request: Request,
  rows: string,
  windowMs: number,
  path: ActorName | undefined,
): PageRequest {
  const reader = new QueryReader(request.url);
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
  const format = reader.oneOf("format", ["json", "csv"]) ?? acceptedFormat(request);
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

/** CSV only for a client that asks for it by name and likes JSON less. */
function acceptedFormat(request: Request): "json" | "csv" {
  const qualities = new Map<string, number>();
  for (const part of (request.headers.get("accept") ?? "").split(",")) {
    const [type = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    qualities.set(type, Number(quality) || 0);
  }
  const quality = (type: string) =>
    qualities.get(type) ?? qualities.get(`${type.split("/")[0]}/*`) ?? qualities.get("*/*") ?? 0;
  return quality("text/csv") > quality("application/json") ? "csv" : "json";
}

/** The same query with another cursor. Relative, so that it holds behind any proxy. */
function nextQuery(url: string, cursor: string): string {
  const { searchParams } = new URL(url);
  searchParams.set("cursor", cursor);
  return `?${searchParams}`;
}
