/** How the public queries are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import { formatDuration } from "../domain/duration.ts";
import {
  type ApiParameter,
  type ApiSchema,
  answer,
  cursorParameter,
  cursorSchema,
  exampleOf,
  integer,
  limitParameter,
  listed,
  nameParameters,
  namePathParameters,
  nullable,
  queryParameter,
  record,
  text,
  time,
} from "./docParts.ts";
import { rowsDefault, rowsMax } from "./limits.ts";
import { problemResponses } from "./openApi.ts";

const windowSchemas = {
  time: time("End of the window (or bucket), as in the tables. Equal to `windowEnd`."),
  windowStart: time(
    "Start of the window (or bucket), which belongs to it.",
    "2026-01-31T10:05:00.000Z",
  ),
  windowEnd: time("End of the window (or bucket), which does not belong to it."),
  customer: text("The broadcaster, byte for byte as devices sent it.", "Customer1"),
  content: text("The channel or video, byte for byte as devices sent it.", "channel1"),
};

/** A sum that no client may lose digits of. */
function sum(description: string, example: number) {
  return {
    description:
      `${description} Exact: a JSON number up to 9007199254740991 (2^53-1), beyond that a ` +
      "string of its decimal digits.",
    oneOf: [integer("As a number."), text("As decimal digits.", "9007199254740993")],
    example,
  };
}

const statsSums = {
  cdn: sum("Bytes downloaded from the CDN.", 123456789),
  p2p: sum("Bytes downloaded from peers.", 987654321),
};
const sessionsSums = { sessions: integer("Video sessions that began in the window.", 42) };

function pageParameters(windowMs: number): ApiParameter[] {
  const window = formatDuration(windowMs);
  const timeForms =
    "ISO 8601 (UTC where no zone is given) or milliseconds since 1970. Applies to the start of " +
    "windows, also where they are summed over buckets.";
  return [
    queryParameter("from", text(`Inclusive. ${timeForms}`, "2026-01-31T10:00:00Z")),
    queryParameter("to", text(`Exclusive. ${timeForms}`, "1769856000000")),
    queryParameter(
      "bucket",
      text(
        `Sum over buckets of this length, aligned to 1970 in UTC: a multiple of ${window}, ` +
          `which is the default. Written 15m, 1h, 1d.`,
        "1h",
      ),
    ),
    queryParameter("order", {
      type: "string",
      enum: ["desc", "asc"],
      default: "desc",
      description: "By time, newest (desc) or oldest (asc) first; then by customer and content.",
    }),
    limitParameter("Rows a page", { maximum: rowsMax, default: rowsDefault }),
    cursorParameter("filters, bucket and order"),
    queryParameter("format", { type: "string", enum: ["json", "csv"], default: "json" }),
  ];
}

function rowsResponse(sums: Readonly<Record<string, ApiSchema>>) {
  const row = { ...windowSchemas, ...sums };
  const { description, content } = answer("A page of rows.", {
    rows: listed(row),
    cursor: cursorSchema,
    meta: record(metaSchemas),
  });
  const cells = Object.values(row).map(exampleOf);
  return {
    description,
    headers: pageHeaders,
    content: {
      ...content,
      "text/csv": {
        schema: text(
          "RFC 4180: a header record, CRLF, all digits. Names are byte for byte what devices " +
            "sent, also those that a spreadsheet takes for formulas (= + - @): import columns " +
            "as text.",
        ),
        example: `${Object.keys(row).join(",")}\r\n${cells.join(",")}\r\n`,
      },
    },
  };
}

const metaSchemas = {
  asOf: time("When the database answered.", "2026-01-31T10:10:01.250Z"),
  sealedThrough: nullable(
    time("All windows that end at or before it are here; null before the first."),
  ),
};

const pageHeaders = {
  "X-Next-Cursor": { description: "CSV only: `cursor`.", schema: text("Opaque.") },
  "X-As-Of": { description: "CSV only: `meta.asOf`.", schema: time("UTC.") },
  "X-Sealed-Through": { description: "CSV only: `meta.sealedThrough`.", schema: time("UTC.") },
};

/** The descriptions of the three routes. */
export function queryDetails(windowMs: number) {
  const page = pageParameters(windowMs);
  const refusals = problemResponses("invalid-query", "internal", "unavailable");
  const bytes = rowsResponse(statsSums);
  const sessions = rowsResponse(sessionsSums);
  const common = { tags: ["queries"] };
  return {
    stats: {
      ...common,
      summary: "Bytes from the CDN and from peers, per window",
      description: "Rows of sealed windows. A window without payloads has no row.",
      parameters: [...nameParameters, ...page],
      responses: { 200: bytes, ...refusals },
    },
    sessions: {
      ...common,
      summary: "Video sessions begun, per window",
      description: "Rows of sealed windows. A window without payloads has no row.",
      parameters: [...nameParameters, ...page],
      responses: { 200: sessions, ...refusals },
    },
    one: {
      ...common,
      summary: "Bytes of one content, per window",
      description:
        "As /stats with both names given, which may stand in the query as well. Names " +
        "without rows give an empty page. No path can hold the names `.` and `..`: ask /stats " +
        "for them.",
      parameters: [...namePathParameters, ...page],
      responses: {
        200: bytes,
        ...problemResponses("invalid-request", "invalid-query", "internal", "unavailable"),
      },
    },
  } satisfies Record<string, DocumentDecoration>;
}
