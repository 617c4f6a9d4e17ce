/**
 * Reads an exported event log into an empty database: see eventArchive.ts for the form.
 *
 * Events are staged page by page, and become the event log by one statement, when the last has
 * come and all is as header and footer promise; it fixes the settings as well. So an import that
 * ended early has changed nothing, and is started again.
 */
import { checkEventVersion } from "../domain/eventVersions.ts";
import type { Database } from "./database.ts";
import {
  type ArchiveFooter,
  type ArchiveHeader,
  BadArchive,
  readHeader,
  readLine,
} from "./eventArchive.ts";
import { type ExportProgress, readLogHeader } from "./eventExport.ts";
import { migrate } from "./migrate.ts";
import { prepareDatabase } from "./prepare.ts";
import {
  checkSettings,
  inWords,
  type SettingDifference,
  type Settings,
  settingsDifferences,
} from "./settings.ts";

interface ImportOptions {
  /** What whoever imports believes the settings of the log to be. */
  readonly configured?: Partial<Settings>;
  /** The state of a partition that has read nothing. */
  readonly emptyState: object;
  readonly onProgress?: (progress: ExportProgress) => void;
}

interface Imported {
  readonly events: number;
  /** The log was there already, and nothing came after it. */
  readonly importedBefore: boolean;
  /** Those of the log, which are fixed in the database now. */
  readonly settings: Settings;
}

/** The database cannot take this log. Nothing was changed. */
export class ImportRefused extends Error {}

/** The log was written under other settings than those that are configured. */
export class OtherSettings extends ImportRefused {
  constructor(differences: readonly SettingDifference[]) {
    const { configured, fixed } = inWords(differences);
    super(
      `${configured}, but the log was written with ${fixed}. ` +
        `Set ${fixed}, here and for the service`,
    );
  }
}

const pageRowsMax = 2_000;
const pageCharsMax = 8 * 1_024 * 1_024;
const pageDeadlineMs = 60_000;
/** Moving all events into the log is one statement; this bounds how large a log can be. */
const finishDeadlineMs = 9 * 60_000;

/**
 * Makes the database ready, with the settings of the log, and imports it.
 * @throws BadArchive, ImportRefused, OtherSettings, SettingsMismatch, UnknownEventVersion
 */
export async function importEvents(
  database: Database,
  lines: AsyncGenerator<string>,
  { configured = {}, emptyState, onProgress = () => {} }: ImportOptions,
): Promise<Imported> {
  const first = await lines.next();
  if (first.done === true) throw new BadArchive("the file is empty");
  const header = readHeader(first.value);
  const { windowMs, partitions } = header;
  const settings = { windowMs, partitions: partitions.length };
  // Before anything is fixed, and also when there is nothing left to import.
  const differences = settingsDifferences(configured, settings);
  if (differences.length > 0) throw new OtherSettings(differences);
  await migrate(database);
  await checkSettings(database, settings);
  const importedBefore = Bun.deepEquals(await readLogHeader(database), header);
  const stage = importedBefore ? undefined : await startImport(database);

  const of = partitions.reduce((sum, { position }) => sum + position, 0);
  let events = 0;
  for await (const page of checkedPages(lines, new LogOrder(first.value, header))) {
    await stage?.add(page);
    events += page.length;
    onProgress({ events, of });
  }
  await stage?.finish(header, emptyState);
  await prepareDatabase(database, settings);
  return { events, importedBefore, settings };
}

/** The lines of the events, many at a time. @throws BadArchive, at the end too. */
async function* checkedPages(
  lines: AsyncGenerator<string>,
  order: LogOrder,
): AsyncGenerator<readonly string[]> {
  let page: string[] = [];
  let chars = 0;
  for await (const line of lines) {
    if (!order.isEvent(line)) continue;
    page.push(line);
    chars += line.length;
    if (page.length < pageRowsMax && chars < pageCharsMax) continue;
    yield page;
    page = [];
    chars = 0;
  }
  order.finish();
  yield page;
}

/** Checks that the lines are the events that the header promises, in order and without gaps. */
class LogOrder {
  readonly #hasher: Bun.CryptoHasher;
  #partition = 0;
  #position = 0;
  #line = 1;
  #footer: ArchiveFooter | undefined;

  constructor(
    headerLine: string,
    private readonly header: ArchiveHeader,
  ) {
    this.#hasher = new Bun.CryptoHasher("sha256").update(`${headerLine}\n`);
  }

  /** False for the footer. @throws BadArchive, UnknownEventVersion */
  isEvent(line: string): boolean {
    this.#line += 1;
    if (this.#footer !== undefined) throw this.#bad("comes after the end");
    const value = readLine(line, this.#line);
    if ("end" in value) {
      this.#footer = value;
      return false;
    }
    this.#skipEnded();
    if (value.partition !== this.#partition || value.position !== this.#position + 1) {
      throw this.#bad(
        `holds event ${value.partition}/${value.position}, ` +
          `expected ${this.#partition}/${this.#position + 1}`,
      );
    }
    checkEventVersion(value.type, value.version);
    this.#hasher.update(`${line}\n`);
    this.#position += 1;
    return true;
  }

  finish(): void {
    this.#skipEnded();
    if (this.#footer === undefined) throw new BadArchive("the end of the file is missing");
    if (this.#partition < this.header.partitions.length) {
      throw new BadArchive(`events of partition ${this.#partition} are missing`);
    }
    if (this.#footer.sha256 !== this.#hasher.digest("hex")) {
      throw new BadArchive("the file is not what was exported");
    }
  }

  /** Goes on to the next partition that has events left. */
  #skipEnded(): void {
    while (this.header.partitions[this.#partition]?.position === this.#position) {
      this.#partition += 1;
      this.#position = 0;
    }
  }

  #bad(detail: string): BadArchive {
    return new BadArchive(`line ${this.#line} ${detail}`);
  }
}

/** The events of one import that are not part of the log yet. */
class ImportStage {
  constructor(
    private readonly database: Database,
    private readonly id: string,
  ) {}

  /** The lines are JSON already; Postgres reads their text, so no number is rounded on the way. */
  async add(lines: readonly string[]): Promise<void> {
    const events = `[${lines.join(",")}]`;
    const [row] = await this.database.run(
      (sql) => sql<{ outcome: string }[]>`
        select stage_events(${this.id}, ${events}::text::jsonb) as outcome
      `,
      pageDeadlineMs,
    );
    if (row?.outcome !== "staged") throw anotherBegan();
  }

  /** Makes them the log. */
  async finish(header: ArchiveHeader, emptyState: object): Promise<void> {
    const [row] = await this.database.run(
      (sql) => sql<{ outcome: string }[]>`
        select finish_import(
          ${this.id}, ${JSON.stringify(header)}::text::jsonb,
          ${JSON.stringify(emptyState)}::text::jsonb
        ) as outcome
      `,
      finishDeadlineMs,
    );
    switch (row?.outcome) {
      case "imported":
        return;
      case "not empty":
        throw notEmpty();
      case "incomplete":
        throw new ImportRefused("Postgres has lost what was staged: start the import again");
      case "other settings":
        throw new ImportRefused(
          "another WINDOW or PARTITIONS was fixed meanwhile: use a new database",
        );
      default:
        throw anotherBegan();
    }
  }
}

async function startImport(database: Database): Promise<ImportStage> {
  const [row] = await database.run(
    (sql) => sql<{ id: string | null }[]>`select start_import() as id`,
    finishDeadlineMs,
  );
  if (typeof row?.id !== "string") throw notEmpty();
  return new ImportStage(database, row.id);
}

function anotherBegan(): ImportRefused {
  return new ImportRefused("another import has begun meanwhile: start this one again");
}

function notEmpty(): ImportRefused {
  return new ImportRefused(
    "the event log is not empty, or a worker has begun to read its streams: import into a new " +
      "database, before anything else is started on it",
  );
}
