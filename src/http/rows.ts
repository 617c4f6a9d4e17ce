/** How pages of rows are written: as JSON and as CSV, with every digit. */
import type { RowPage, SessionsRow, StatsRow, WindowRow } from "../actors/readPorts.ts";
import { csvContentType, csvText } from "./csv.ts";

/** One kind of row: its sums, in the order of their columns. */
export interface RowKind<Row extends WindowRow> {
  readonly name: "stats" | "sessions";
  readonly sums: readonly string[];
  sumsOf(row: Row): readonly bigint[];
}

export const statsRows: RowKind<StatsRow> = {
  name: "stats",
  sums: ["cdn", "p2p"],
  sumsOf: ({ cdn, p2p }) => [cdn, p2p],
};

export const sessionsRows: RowKind<SessionsRow> = {
  name: "sessions",
  sums: ["sessions"],
  sumsOf: ({ sessions }) => [sessions],
};

const windowColumns = ["time", "windowStart", "windowEnd", "customer", "content"] as const;

/** Rows of the newest windows may come any moment, so nobody keeps an answer. */
const pageHeaders = { "cache-control": "no-store" };

/** @param cursor undefined on the last page. */
export function jsonPage<Row extends WindowRow>(
  kind: RowKind<Row>,
  page: RowPage<Row>,
  cursor: string | undefined,
): Response {
  const body = {
    rows: page.rows.map((row) => {
      const sums = kind.sumsOf(row).map((sum, i) => [kind.sums[i], exactNumber(sum)]);
      return { ...windowFields(row), ...Object.fromEntries(sums) };
    }),
    cursor: cursor ?? null,
    meta: { asOf: iso(page.asOfMs), sealedThrough: sealedThrough(page) ?? null },
  };
  const headers = { ...pageHeaders, "content-type": "application/json" };
  return new Response(JSON.stringify(body), { headers });
}

/** What JSON says beside the rows goes into headers here. */
export function csvPage<Row extends WindowRow>(
  kind: RowKind<Row>,
  page: RowPage<Row>,
  cursor: string | undefined,
): Response {
  const header = [...windowColumns, ...kind.sums];
  const records = page.rows.map((row) => {
    const window = windowFields(row);
    return [...windowColumns.map((column) => window[column]), ...kind.sumsOf(row).map(String)];
  });
  const sealed = sealedThrough(page);
  const headers = {
    ...pageHeaders,
    "content-type": csvContentType,
    "x-as-of": iso(page.asOfMs),
    ...(sealed !== undefined && { "x-sealed-through": sealed }),
    ...(cursor !== undefined && { "x-next-cursor": cursor }),
  };
  return new Response(csvText([header, ...records]), { headers });
}

/** A JSON number where every client reads it exactly, else its decimal digits as a string. */
function exactNumber(value: bigint): number | string {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value.toString();
}

function windowFields({ windowStartMs, windowEndMs, customer, content }: WindowRow) {
  const windowEnd = iso(windowEndMs);
  return { time: windowEnd, windowStart: iso(windowStartMs), windowEnd, customer, content };
}

function sealedThrough({ sealedThroughMs }: RowPage<WindowRow>): string | undefined {
  return sealedThroughMs === undefined ? undefined : iso(sealedThroughMs);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
