/**
 * Reads an exported event log into an empty database: see eventArchive.ts for the form.
 *
 * Events are staged page by page, and become the event log by one statement, when the last has
 * come and all is as header and footer promise; the settings are fixed just before. So an import
 * that was stopped while it read has changed nothing; started again with the same file, it goes on
 * where it was. What was staged then is compared with the file, since a damaged one shows itself
 * only at its end.
 */
import { checkEventVersion } from "../domain/eventVersions.ts";
import type { Database } from "./database.ts";
import {
  type ArchivedEvent,
  type ArchiveFooter,
  type ArchiveHeader,
  BadArchive,
  readHeader,
  readLine,
} from "./eventArchive.ts";
import type { ExportProgress } from "./eventExport.ts";
import { ImportStage, stagedPositions } from "./importStage.ts";
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
  /** Gives up what was staged of another file. */
  readonly restart?: boolean;
  readonly onProgress?: (progress: ExportProgress) => void;
}

interface Imported {
  readonly events: number;
  /** Events that an earlier, unfinished import had staged already. */
  readonly stagedBefore: number;
  /** The whole log was there already. */
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

/** Moving all events into the log is one statement; this bounds how large a log can be. */
const finishDeadlineMs = 9 * 60_000;

/**
 * Makes the database ready, with the settings of the log, and imports it.
 * @throws BadArchive, ImportRefused, OtherSettings, OtherStage, SettingsMismatch,
 *   UnknownEventVersion
 */
export async function importEvents(
  database: Database,
  lines: AsyncIterable<string>,
  { configured = {}, emptyState, restart = false, onProgress = () => {} }: ImportOptions,
): Promise<Imported> {
  const iterator = lines[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) throw new BadArchive("the file is empty");
  const header = readHeader(first.value);
  const { partitions } = header;
  const settings = { windowMs: header.windowMs, partitions: partitions.length };
  // Before anything is fixed, and also when there is nothing left to import.
  const differences = settingsDifferences(configured, settings);
  if (differences.length > 0) throw new OtherSettings(differences);
  await migrate(database);
  await checkSettings(database, settings);
  const started = await startImport(database, header, restart);
  const of = partitions.reduce((sum, { position }) => sum + position, 0);
  const importedBefore = started === "done";
  const staged = await stagedPositions(database);
  const stagedBefore = [...staged.values()].reduce((sum, position) => sum + position, 0);

  const order = new LogOrder(header);
  const stage = new ImportStage(database, staged);
  const progress = () => onProgress({ events: order.events, of });
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
    const event = order.read(next.value);
    if (event === undefined || importedBefore) continue;
    if (await stage.add(next.value, event)) progress();
  }
  order.finish();
  if (importedBefore) return { events: of, stagedBefore: of, importedBefore, settings };
  await stage.flush();
  progress();
  await prepareDatabase(database, settings);
  await finishImport(database, header, emptyState);
  return { events: of, stagedBefore, importedBefore, settings };
}

/** Checks that the lines are the events that the header promises, in order and without gaps. */
class LogOrder {
  events = 0;
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #partition = 0;
  #position = 0;
  #line = 1;
  #footer: ArchiveFooter | undefined;

  constructor(private readonly header: ArchiveHeader) {}

  /** The event of a line; undefined for the footer. */
  read(line: string): ArchivedEvent | undefined {
    this.#line += 1;
    if (this.#footer !== undefined) throw this.#bad("comes after the end");
    const value = readLine(line, this.#line);
    if ("end" in value) {
      this.#footer = value;
      return undefined;
    }
    this.#skipEnded();
    if (value.partition !== this.#partition || value.position !== this.#position + 1) {
      throw this.#bad(
        `holds event ${value.partition}/${value.position}, ` +
          `expected ${this.#partition}/${this.#position + 1}`,
      );
    }
    checkEventVersion(value.type, value.version);
    this.#checkWindow(value.type, value.data);
    this.#hasher.update(`${line}\n`);
    this.#position += 1;
    this.events += 1;
    return value;
  }

  finish(): void {
    this.#skipEnded();
    if (this.#footer === undefined) throw new BadArchive("the end of the file is missing");
    if (this.#partition < this.header.partitions.length) {
      throw new BadArchive(`events of partition ${this.#partition} are missing`);
    }
    if (this.#footer.events !== this.events || this.#footer.sha256 !== this.#hasher.digest("hex")) {
      throw new BadArchive("the events are not those that were exported");
    }
  }

  /**
   * The checksum does not cover the header, but the events tell what it has to say: the times of a
   * window stand in the same place in every version.
   */
  #checkWindow(type: string, data: unknown): void {
    if (type !== "WindowSealed") return;
    const { windowMs, partitions } = this.header;
    const [startMs, endMs] = [timeIn(data, "windowStart"), timeIn(data, "windowEnd")];
    if (endMs - startMs !== windowMs) throw this.#bad("has a window of another length");
    const { sealedThrough = null } = partitions[this.#partition] ?? {};
    if (sealedThrough === null || endMs > Date.parse(sealedThrough)) {
      throw this.#bad("was sealed after the time that the first line gives");
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

/** NaN when there is none. */
function timeIn(data: unknown, name: "windowStart" | "windowEnd"): number {
  const time = new Map(Object.entries(Object(data))).get(name);
  return typeof time === "string" ? Date.parse(time) : Number.NaN;
}

async function startImport(
  database: Database,
  header: ArchiveHeader,
  restart: boolean,
): Promise<"started" | "resumed" | "done"> {
  const [row] = await database.run(
    (sql) => sql<{ outcome: "started" | "resumed" | "done" | "other" | "not empty" }[]>`
      select start_import(${JSON.stringify(header)}::text::jsonb, ${restart}) as outcome
    `,
  );
  switch (row?.outcome) {
    case "started":
    case "resumed":
    case "done":
      return row.outcome;
    case "other":
      throw new ImportRefused("the import of another log has begun here: finish it, or restart");
    default:
      throw notEmpty();
  }
}

async function finishImport(
  database: Database,
  header: ArchiveHeader,
  emptyState: object,
): Promise<void> {
  const [row] = await database.run(
    (sql) => sql<{ outcome: string }[]>`
      select finish_import(
        ${JSON.stringify(header)}::text::jsonb, ${JSON.stringify(emptyState)}::text::jsonb
      ) as outcome
    `,
    finishDeadlineMs,
  );
  switch (row?.outcome) {
    case "imported":
      return;
    case "not empty":
      throw notEmpty();
    default:
      throw new ImportRefused("another import was at work meanwhile: start this one again");
  }
}

function notEmpty(): ImportRefused {
  return new ImportRefused(
    "the event log is not empty, or a worker has begun to read its streams: import into a new " +
      "database, before anything else is started on it",
  );
}
