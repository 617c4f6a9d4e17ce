/** Watches when windows become visible: sealed, and applied to every projection. */
import postgres from "postgres";
import { inTime } from "../../inTime.ts";

export interface Seal {
  /** The end of the window, epoch ms. */
  readonly endMs: number;
  /** When a reader could see it, epoch ms. */
  readonly seenMs: number;
}

const everyMs = 50;
const askMs = 1_000;

export class SealWatch {
  readonly seals: Seal[] = [];
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(
    private readonly databaseUrl: string,
    private readonly windowMs: number,
  ) {}

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Every window that ends at or before this is visible. */
  get throughMs(): number {
    return this.seals.at(-1)?.endMs ?? 0;
  }

  async #run(): Promise<void> {
    let sql: postgres.Sql | undefined;
    while (!this.#stopping) {
      sql ??= postgres(this.databaseUrl, { max: 1, connect_timeout: 1, onnotice: () => {} });
      try {
        this.#note(await inTime(sealedThrough(sql), askMs));
      } catch {
        // Postgres is away; a connection that hangs is not asked again.
        sql.end({ timeout: 0 }).catch(() => {});
        sql = undefined;
      }
      await Bun.sleep(everyMs);
    }
    await sql?.end({ timeout: 1 });
  }

  #note(throughMs: number): void {
    if (throughMs === 0) return;
    const seenMs = Date.now();
    const last = this.seals.at(-1)?.endMs ?? throughMs - this.windowMs;
    for (let endMs = last + this.windowMs; endMs <= throughMs; endMs += this.windowMs) {
      this.seals.push({ endMs, seenMs });
    }
  }
}

/** Of all partitions and projections, the one that is furthest behind; 0 before the first. */
async function sealedThrough(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ ms: string | null }[]>`
    select case when count(*) = count(sealed_through)
      then (extract(epoch from min(sealed_through)) * 1000)::bigint::text end as ms
    from projection_positions where build = 'live'
  `;
  return Number(row?.ms ?? 0);
}
