/** Reads the public API: the length of a window, how far is sealed, and the rows of a customer. */
import { formatDuration } from "../domain/duration.ts";
import { isObject, type JsonObject } from "../domain/json.ts";
import { dayMs } from "../domain/windows.ts";
import type { FoundRow, FoundRows } from "./verify.ts";

/** The API did not answer as it is documented to. */
class UnexpectedAnswer extends Error {}

const pageRows = 10_000;
const requestMsMax = 30_000;

export class Tables {
  constructor(private readonly url: string) {}

  /**
   * The length of a window. A bucket has to be a multiple of it, and it divides a day; so what is
   * left of a day, after taking away each prime factor as often as the bucket is still accepted,
   * is the window. That needs no row to be there.
   */
  async windowMs(): Promise<number> {
    if (!Array.isArray((await this.#page("stats", { limit: "1" })).rows)) {
      throw new UnexpectedAnswer(`${this.url} is no public listener of payload-stats`);
    }
    let bucketMs = dayMs;
    if (!(await this.#acceptsBucket(bucketMs))) {
      throw new UnexpectedAnswer(`${this.url} does not tell the length of its windows`);
    }
    for (const factor of [2, 3, 5]) {
      while (bucketMs % factor === 0 && (await this.#acceptsBucket(bucketMs / factor))) {
        bucketMs /= factor;
      }
    }
    return bucketMs;
  }

  /** Every window that ends at or before this time (epoch ms) is in both tables. */
  async sealedThroughMs(): Promise<number> {
    const times = await Promise.all(
      ["stats", "sessions"].map(async (table) => {
        const { meta } = await this.#page(table, { limit: "1" });
        const sealed = isObject(meta) ? meta.sealedThrough : undefined;
        return typeof sealed === "string" ? Date.parse(sealed) : 0;
      }),
    );
    return Math.min(...times);
  }

  /** Everything that the tables hold of a customer, by content and window. */
  async rows(customer: string, windowMs: number): Promise<FoundRows> {
    const found = new Map<string, Map<number, FoundRow>>();
    for (const table of ["stats", "sessions"]) {
      for await (const row of this.#all(table, customer)) {
        const { content, windowStart, windowEnd } = row;
        const startMs = timeOf(windowStart);
        if (typeof content !== "string" || row.customer !== customer || row.time !== windowEnd) {
          throw new UnexpectedAnswer(`a row of /${table} is not as documented`);
        }
        if (timeOf(windowEnd) - startMs !== windowMs || startMs % windowMs !== 0) {
          throw new UnexpectedAnswer(
            `a row of /${table} is not of one window of ${formatDuration(windowMs)}`,
          );
        }
        const windows = found.get(content) ?? new Map<number, FoundRow>();
        found.set(content, windows);
        merge(windows, startMs / windowMs, table, row);
      }
    }
    return found;
  }

  async *#all(table: string, customer: string): AsyncGenerator<JsonObject> {
    let cursor: string | undefined;
    do {
      const parameters = { customer, limit: String(pageRows), ...(cursor && { cursor }) };
      const page = await this.#page(table, parameters);
      if (!Array.isArray(page.rows)) throw new UnexpectedAnswer(`/${table} gave no rows`);
      for (const row of page.rows) {
        if (!isObject(row)) throw new UnexpectedAnswer(`/${table} gave a row that is none`);
        yield row;
      }
      cursor = typeof page.cursor === "string" ? page.cursor : undefined;
    } while (cursor !== undefined);
  }

  async #page(table: string, parameters: Record<string, string>): Promise<JsonObject> {
    const response = await this.#get(table, parameters);
    if (!response.ok) {
      throw new UnexpectedAnswer(`GET /${table} answered ${response.status}`);
    }
    const body: unknown = await response.json().catch(() => undefined);
    if (!isObject(body)) throw new UnexpectedAnswer(`GET /${table} gave no object`);
    return body;
  }

  async #acceptsBucket(bucketMs: number): Promise<boolean> {
    const bucket = formatDuration(bucketMs);
    const response = await this.#get("stats", { bucket, limit: "1" });
    await response.body?.cancel();
    if (response.status >= 500) throw new UnexpectedAnswer(`GET /stats gave ${response.status}`);
    return response.ok;
  }

  #get(table: string, parameters: Record<string, string>): Promise<Response> {
    const query = new URLSearchParams(parameters);
    const signal = AbortSignal.timeout(requestMsMax);
    return fetch(`${this.url}/${table}?${query}`, { signal });
  }
}

/** Puts a row of one table beside the row of the other; no row may come twice. */
function merge(
  windows: Map<number, FoundRow>,
  window: number,
  table: string,
  row: JsonObject,
): void {
  const known = windows.get(window) ?? { cdn: undefined, p2p: undefined, sessions: undefined };
  if ((table === "stats" ? known.cdn : known.sessions) !== undefined) {
    throw new UnexpectedAnswer(`/${table} gave a row twice`);
  }
  const values =
    table === "stats"
      ? { cdn: exact(row.cdn), p2p: exact(row.p2p) }
      : { sessions: exact(row.sessions) };
  windows.set(window, { ...known, ...values });
}

/** A count is a JSON number as far as that is exact, and a decimal string beyond. */
function exact(value: unknown): bigint {
  if (typeof value === "number" && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === "string" && /^\d+$/.test(value)) return BigInt(value);
  throw new UnexpectedAnswer("a row holds a count that is none");
}

function timeOf(value: unknown): number {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) throw new UnexpectedAnswer("a row holds a time that is none");
  return time;
}
