/** Compares what the tables say with what they have to say, row by row. */
import { windowEndMs, windowStartMs } from "../domain/windows.ts";
import { noSums, type Span, type Sums } from "./expectation.ts";

/** What the tables hold of a customer: content, window index, and what stands there. */
export type FoundRows = ReadonlyMap<string, ReadonlyMap<number, FoundRow>>;

export interface FoundRow {
  /** Undefined where the table has no such row. */
  readonly cdn: bigint | undefined;
  readonly p2p: bigint | undefined;
  readonly sessions: bigint | undefined;
}

export interface Difference {
  readonly customer: string;
  readonly content: string;
  /** From the start of the first window concerned to the end of the last, ISO 8601. */
  readonly from: string;
  readonly to: string;
  readonly column: "cdn" | "p2p" | "sessions" | "row";
  readonly expected: string;
  readonly found: string;
}

export interface CustomerCheck {
  readonly differences: readonly Difference[];
  /** Rows of `stats` that were compared, and those of them that one value only could satisfy. */
  readonly rows: number;
  readonly exactRows: number;
}

type Columns = Pick<Sums, "cdn" | "p2p" | "sessions">;
const columns = ["cdn", "p2p", "sessions"] as const;

/** Compares everything of one customer. */
export function checkCustomer(
  customer: string,
  expected: ReadonlyMap<string, readonly Span[]>,
  found: FoundRows,
  windowMs: number,
): CustomerCheck {
  const contents = new Set([...expected.keys(), ...found.keys()]);
  const checks = [...contents].map((content) => {
    const rows = found.get(content) ?? new Map<number, FoundRow>();
    return new ContentCheck(customer, content, expected.get(content) ?? [], rows, windowMs).run();
  });
  return sumOf(checks);
}

export function sumOf(checks: readonly CustomerCheck[]): CustomerCheck {
  return {
    differences: checks.flatMap((check) => check.differences),
    rows: checks.reduce((sum, check) => sum + check.rows, 0),
    exactRows: checks.reduce((sum, check) => sum + check.exactRows, 0),
  };
}

class ContentCheck {
  readonly #differences: Difference[] = [];
  readonly #byFirst = new Map<number, Span[]>();
  readonly #longest: number;
  #exactRows = 0;

  constructor(
    private readonly customer: string,
    private readonly content: string,
    private readonly spans: readonly Span[],
    private readonly found: ReadonlyMap<number, FoundRow>,
    private readonly windowMs: number,
  ) {
    for (const span of spans) {
      const group = this.#byFirst.get(span.first);
      if (group === undefined) this.#byFirst.set(span.first, [span]);
      else group.push(span);
    }
    this.#longest = spans.reduce((most, span) => Math.max(most, span.last - span.first), 0);
  }

  /**
   * Each row alone, each two neighbours that share payloads, and each run of windows that is tied
   * together by payloads which straddle a boundary: of such a run the sum is exact.
   */
  run(): CustomerCheck {
    const runs = tiedRuns(this.spans);
    for (const { first, last } of runs) {
      for (let window = first; window <= last; window++) this.#row(window);
      for (let window = first; window < last; window++) this.#sums(window, window + 1);
      if (last - first > 1) this.#sums(first, last);
    }
    const expected = new Set(runs.flatMap(({ first, last }) => range(first, last)));
    for (const window of this.found.keys()) if (!expected.has(window)) this.#row(window);
    return {
      differences: this.#differences,
      rows: this.found.size,
      exactRows: this.#exactRows,
    };
  }

  #row(window: number): void {
    const { low, high } = this.#bounds(window, window);
    const row = this.found.get(window);
    if (low.payloads === high.payloads && row !== undefined) this.#exactRows++;
    // A sealed window has a row in both tables, also when all of its sums are 0.
    if (low.payloads > 0 || row !== undefined) {
      const tables = { stats: row?.cdn, sessions: row?.sessions };
      for (const [table, value] of Object.entries(tables)) {
        if (value === undefined) this.#differ(window, window, "row", `a row in ${table}`, "none");
      }
    }
    if (high.payloads === 0 && row !== undefined) {
      this.#differ(window, window, "row", "none", describe(row));
    } else {
      this.#compare(window, window, low, high);
    }
  }

  #sums(first: number, last: number): void {
    const { low, high } = this.#bounds(first, last);
    this.#compare(first, last, low, high);
  }

  #compare(first: number, last: number, low: Columns, high: Columns): void {
    for (const column of columns) {
      const least = BigInt(low[column]);
      const most = BigInt(high[column]);
      const sum = this.#sum(first, last, column);
      if (sum >= least && sum <= most) continue;
      const expected = least === most ? `${least}` : `${least} to ${most}`;
      this.#differ(first, last, column, expected, `${sum}`);
    }
  }

  #sum(first: number, last: number, column: (typeof columns)[number]): bigint {
    return range(first, last).reduce((sum, at) => sum + (this.found.get(at)?.[column] ?? 0n), 0n);
  }

  /** The least that surely fell into these windows, and the most that can have. */
  #bounds(first: number, last: number): { low: Sums; high: Sums } {
    const low = noSums();
    const high = noSums();
    for (let start = first - this.#longest; start <= last; start++) {
      for (const span of this.#byFirst.get(start) ?? []) {
        if (span.last < first) continue;
        addSums(high, span.high);
        if (span.first >= first && span.last <= last) addSums(low, span.low);
      }
    }
    return { low, high };
  }

  #differ(
    first: number,
    last: number,
    column: Difference["column"],
    expected: string,
    found: string,
  ): void {
    const from = new Date(windowStartMs(first, this.windowMs)).toISOString();
    const to = new Date(windowEndMs(last, this.windowMs)).toISOString();
    const { customer, content } = this;
    this.#differences.push({ customer, content, from, to, column, expected, found });
  }
}

/** Runs of windows in which each is tied to the next by a span over both. */
function tiedRuns(spans: readonly Span[]): { first: number; last: number }[] {
  const runs: { first: number; last: number }[] = [];
  for (const { first, last } of spans.toSorted((a, b) => a.first - b.first)) {
    const run = runs.at(-1);
    if (run !== undefined && first <= run.last) run.last = Math.max(run.last, last);
    else runs.push({ first, last });
  }
  return runs;
}

function addSums(sums: Sums, more: Sums): void {
  sums.payloads += more.payloads;
  sums.cdn += more.cdn;
  sums.p2p += more.p2p;
  sums.sessions += more.sessions;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function describe(row: FoundRow): string {
  return columns.map((column) => `${column} ${row[column] ?? "none"}`).join(", ");
}
