/** Writes the event log as text, page by page: see eventArchive.ts for the form. */
import type { Database } from "./database.ts";
import {
  type ArchiveFooter,
  type ArchiveHeader,
  type ArchivePartition,
  archiveFormat,
  archiveVersion,
} from "./eventArchive.ts";
import { weighedPage } from "./weighedPage.ts";

export interface ExportProgress {
  readonly events: number;
  readonly of: number;
}

/** The log lacks an event that it must hold, so nothing that is made of it can be trusted. */
class LogGap extends Error {
  constructor(
    readonly partition: number,
    readonly position: number,
  ) {
    super(
      `partition ${partition} has no event ${position}: the event log is not whole. Restore that ` +
        "event from a backup",
    );
  }
}

const pageDeadlineMs = 60_000;

interface EventLine {
  readonly position: bigint;
  readonly line: string;
}

/**
 * The log as it is at the beginning, whatever is appended meanwhile: events never change, so the
 * pages fit together.
 * @throws LogGap
 */
export async function* exportEvents(
  database: Database,
  onProgress: (progress: ExportProgress) => void = () => {},
): AsyncGenerator<string> {
  const header = await readLogHeader(database);
  if (header === undefined) throw new Error("there are no partitions");
  const headerLine = `${JSON.stringify(header)}\n`;
  const hasher = new Bun.CryptoHasher("sha256").update(headerLine);
  yield headerLine;
  const of = header.partitions.reduce((sum, { position }) => sum + position, 0);
  let events = 0;
  for (const { partition, position: last } of header.partitions) {
    let after = 0;
    while (after < last) {
      const page = await readPage(database, partition, after, last);
      after = endOf(page, partition, after);
      const text = page.map(({ line }) => `${line}\n`).join("");
      hasher.update(text);
      events += page.length;
      onProgress({ events, of });
      yield text;
    }
  }
  const footer: ArchiveFooter = { end: true, sha256: hasher.digest("hex") };
  yield `${JSON.stringify(footer)}\n`;
}

/** The position of the last event of a page. @throws LogGap when one before it is missing. */
function endOf(page: readonly EventLine[], partition: number, after: number): number {
  let position = after;
  for (const line of page) {
    if (Number(line.position) !== position + 1) break;
    position += 1;
  }
  const isWhole = page.length > 0 && position === after + page.length;
  if (!isWhole) throw new LogGap(partition, position + 1);
  return position;
}

/** What an export of the log would begin with now; undefined before the first start. */
export async function readLogHeader(database: Database): Promise<ArchiveHeader | undefined> {
  const [row] = await database.run(
    (sql) => sql<
      { windowMs: string; partitions: readonly ArchivePartition[]; fingerprint: string }[]
    >`
      select
        (select value from settings where name = 'window_ms') as "windowMs",
        jsonb_agg(
          jsonb_build_object(
            'partition', p.partition, 'position', p.position, 'sealedThrough', p.sealed_through
          ) order by p.partition
        ) as partitions,
        md5(coalesce(string_agg(md5(e.data::text), ',' order by p.partition), '')) as fingerprint
      from partitions p
      left join events e on e.partition = p.partition and e.position = p.position
    `,
  );
  if (row === undefined || row.partitions === null) return undefined;
  return {
    format: archiveFormat,
    formatVersion: archiveVersion,
    windowMs: Number(row.windowMs),
    partitions: row.partitions,
    fingerprint: row.fingerprint,
  };
}

function readPage(
  database: Database,
  partition: number,
  after: number,
  last: number,
): Promise<readonly EventLine[]> {
  return database.run(
    (sql) => sql<EventLine[]>`
      select position, json_build_object(
        'partition', partition, 'position', position, 'type', type, 'version', version,
        'customer', customer, 'content', content, 'windowEnd', window_end,
        'recordedAt', recorded_at, 'epoch', epoch, 'sealedBy', sealed_by, 'data', data
      )::text as line
      from ${weighedPage(
        sql,
        sql`partition = ${partition} and position > ${after} and position <= ${last}`,
      )}
      order by position
    `,
    pageDeadlineMs,
  );
}
