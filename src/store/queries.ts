/** What the public API reads. */
import type {
  RowPage,
  SessionsRow,
  StatsQueries,
  StatsRow,
  WindowQuery,
} from "../actors/readPorts.ts";
import type { Database } from "./database.ts";
import { type PageColumns, selectPage, toPage } from "./windowPage.ts";

type StatsColumns = PageColumns & { readonly cdn: string; readonly p2p: string };
type SessionsColumns = PageColumns & { readonly sessions: string };

export class PostgresStatsQueries implements StatsQueries {
  constructor(
    private readonly database: Database,
    private readonly windowMs: number,
  ) {}

  async stats(query: WindowQuery): Promise<RowPage<StatsRow>> {
    const summed = { table: "stats", sums: ["cdn", "p2p"] };
    const found = await this.database.run((sql) =>
      selectPage<StatsColumns>(sql, summed, query, this.windowMs),
    );
    return toPage<StatsColumns, StatsRow>(found, query, (window, { cdn, p2p }) => ({
      ...window,
      cdn: BigInt(cdn),
      p2p: BigInt(p2p),
    }));
  }

  async sessions(query: WindowQuery): Promise<RowPage<SessionsRow>> {
    const summed = { table: "sessions", sums: ["sessions"] };
    const found = await this.database.run((sql) =>
      selectPage<SessionsColumns>(sql, summed, query, this.windowMs),
    );
    return toPage<SessionsColumns, SessionsRow>(found, query, (window, { sessions }) => ({
      ...window,
      sessions: BigInt(sessions),
    }));
  }
}
