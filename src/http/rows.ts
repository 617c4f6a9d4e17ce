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

/** What a page's answer needs besides its rows. */
interface PageLinks {
  /** Undefined on the last page. */
  readonly cursor: string | undefined;
  /** The query of the next page, relative to this one: `?cursor=…`. */
  readonly next: string | undefined;
}

export function jsonPage<Row extends WindowRow>(
  kind: RowKind<Row>,
  page: RowPage<Row>,
  { cursor, next }: PageLinks,
): Response {
  const body = {
    rows: page.rows.map((row) => {
      const sums = kind.sumsOf(row).map((sum, i) => [kind.sums[i], exactNumber(sum)]);
      return { ...windowFields(row), ...Object.fromEntries(sums) };
    }),
    cursor: cursor ?? null,
    meta: { asOf: iso(page.asOfMs), sealedThrough: sealedThrough(page) ?? null },
  };
  const headers = { ...pageHeaders(next), "content-type": "application/json" };
  return new Response(JSON.stringify(body), { headers });
}

/** What JSON says beside the rows goes into headers here. */
export function csvPage<Row extends WindowRow>(
  kind: RowKind<Row>,
  page: RowPage<Row>,
  { cursor, next }: PageLinks,
): Response {
  const header = [...windowColumns, ...kind.sums];
  const records = page.rows.map((row) => {
    const window = windowFields(row);
    return [...windowColumns.map((column) => window[column]), ...kind.sumsOf(row).map(String)];
  });
  const sealed = sealedThrough(page);
  const headers = {
    ...pageHeaders(next),
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

/** Rows of the newest windows may come any moment, so nobody keeps an answer. */
function pageHeaders(next: string | undefined): Record<string, string> {
  return {
    "cache-control": "no-store",
    vary: "Accept",
    ...(next !== undefined && { link: `<${next}>; rel="next"` }),
  };
}

function sealedThrough({ sealedThroughMs }: RowPage<WindowRow>): string | undefined {
  return sealedThroughMs === undefined ? undefined : iso(sealedThroughMs);
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
