/** The events of an import that are not part of the log yet: see store/eventImport.ts. */
import type { Database } from "./database.ts";
import type { ArchivedEvent } from "./eventArchive.ts";

/** What an earlier import has staged is not what the file holds. */
class OtherStage extends Error {}

const pageRowsMax = 2_000;
const pageCharsMax = 8 * 1_024 * 1_024;
const pageDeadlineMs = 60_000;

/**
 * Takes the events of a file in their order, page by page. Those that an earlier import has staged
 * are compared: it may have read them out of a damaged file, and ended before it could know.
 */
export class ImportStage {
  #page: string[] = [];
  #chars = 0;
  #isStaged = true;

  constructor(
    private readonly database: Database,
    /** Of each partition, the position through which events were staged before. */
    private readonly staged: ReadonlyMap<number, number>,
  ) {}

  /** True when a page was full. @throws OtherStage */
  async add(line: string, { partition, position }: ArchivedEvent): Promise<boolean> {
    const isStaged = position <= (this.staged.get(partition) ?? 0);
    if (isStaged !== this.#isStaged) await this.flush();
    this.#isStaged = isStaged;
    this.#page.push(line);
    this.#chars += line.length;
    const isFull = this.#page.length >= pageRowsMax || this.#chars >= pageCharsMax;
    if (isFull) await this.flush();
    return isFull;
  }

  /** @throws OtherStage */
  async flush(): Promise<void> {
    const page = this.#page;
    this.#page = [];
    this.#chars = 0;
    if (page.length === 0) return;
    if (!this.#isStaged) return await stageEvents(this.database, page);
    if ((await countEqual(this.database, page)) !== page.length) {
      throw new OtherStage(
        "an unfinished import has left other events than this file holds: add --restart",
      );
    }
  }
}

/** Of each partition, the position of the last event that is staged. */
export async function stagedPositions(database: Database): Promise<Map<number, number>> {
  const rows = await database.run(
    (sql) => sql<{ partition: number; position: bigint }[]>`
      select partition, max(position) as position from imported_events group by partition
    `,
  );
  return new Map(rows.map(({ partition, position }) => [partition, Number(position)]));
}

/** The lines are JSON already; Postgres reads their text, so no number is rounded on the way. */
async function stageEvents(database: Database, lines: readonly string[]): Promise<void> {
  const events = `[${lines.join(",")}]`;
  await database.run((sql) => sql`select stage_events(${events}::text::jsonb)`, pageDeadlineMs);
}

/** How many of the events are staged as the lines say them. */
async function countEqual(database: Database, lines: readonly string[]): Promise<number> {
  const events = `[${lines.join(",")}]`;
  const [row] = await database.run(
    (sql) => sql<{ equal: number }[]>`
      select count(*)::int as equal
      from jsonb_to_recordset(${events}::text::jsonb) as e (
        partition int, position bigint, type text, version int, customer text, content text,
        "windowEnd" timestamptz, data jsonb, "recordedAt" timestamptz, epoch bigint,
        "sealedBy" text
      )
      join imported_events s using (partition, position)
      where (
        s.type, s.version, s.customer, s.content, s.window_end, s.data, s.recorded_at, s.epoch,
        s.sealed_by
      ) is not distinct from (
        e.type, e.version, e.customer, e.content, e."windowEnd", e.data, e."recordedAt", e.epoch,
        e."sealedBy"
      )
    `,
    pageDeadlineMs,
  );
  return row?.equal ?? 0;
}
