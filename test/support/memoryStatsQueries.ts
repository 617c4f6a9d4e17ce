/** Rows in memory, for tests of what HTTP makes of questions and answers. */
import type {
  RowKey,
  RowPage,
  SessionsRow,
  StatsQueries,
  StatsRow,
  WindowQuery,
  WindowRow,
} from "../../src/actors/readPorts.ts";

export class MemoryStatsQueries implements StatsQueries {
  readonly statsRows: StatsRow[] = [];
  readonly sessionsRows: SessionsRow[] = [];
  /** Every query that came, in order. */
  readonly asked: WindowQuery[] = [];
  sealedThroughMs: number | undefined;
  /** When set, every query fails with it. */
  failure: Error | undefined;

  async stats(query: WindowQuery): Promise<RowPage<StatsRow>> {
    return this.#page(this.statsRows, query);
  }

  async sessions(query: WindowQuery): Promise<RowPage<SessionsRow>> {
    return this.#page(this.sessionsRows, query);
  }

  #page<Row extends WindowRow>(rows: readonly Row[], query: WindowQuery): RowPage<Row> {
    this.asked.push(query);
    if (this.failure !== undefined) throw this.failure;
    const { customer, content, fromMs = 0, toMs = Number.POSITIVE_INFINITY, after } = query;
    const found = rows
      .filter((row) => customer === undefined || row.customer === customer)
      .filter((row) => content === undefined || row.content === content)
      .filter((row) => row.windowStartMs >= fromMs && row.windowStartMs < toMs)
      .sort((a, b) => compare(keyOf(a), keyOf(b), query.order))
      .filter((row) => after === undefined || compare(keyOf(row), after, query.order) > 0);
    return {
      rows: found.slice(0, query.limit),
      more: found.length > query.limit,
      asOfMs: Date.UTC(2026, 0, 31, 12),
      sealedThroughMs: this.sealedThroughMs,
    };
  }
}

function keyOf({ windowEndMs, customer, content }: WindowRow): RowKey {
  return { timeMs: windowEndMs, customer, content };
}

function compare(a: RowKey, b: RowKey, order: WindowQuery["order"]): number {
  const byTime = order === "desc" ? b.timeMs - a.timeMs : a.timeMs - b.timeMs;
  return byTime || compareTexts(a.customer, b.customer) || compareTexts(a.content, b.content);
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
