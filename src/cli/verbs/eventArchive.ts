import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { emptyPartitionState } from "../../actors/partitionState.ts";
import { readConfig } from "../../config.ts";
import { formatDuration } from "../../domain/duration.ts";
import { errorCode } from "../../errorCode.ts";
import type { Database } from "../../store/database.ts";
import { compressed, linesOf } from "../../store/eventArchive.ts";
import { type ExportProgress, exportEvents } from "../../store/eventExport.ts";
import { importEvents, OtherSettings } from "../../store/eventImport.ts";
import { fixedSettings, type Settings } from "../../store/settings.ts";
import { withDatabase } from "../direct.ts";
import { CliFailure } from "../failure.ts";
import type { Output } from "../output.ts";
import type { CliSettings, Environment } from "../settings.ts";
import { contextOf, example } from "../verb.ts";
import { checkAbsent, writeWhole } from "../wholeFile.ts";

/** Both talk to Postgres themselves, since a log may be larger than what an answer should hold. */
export function addArchiveVerbs(events: Command, settings: CliSettings): void {
  events
    .command("export")
    .description("write the event log to a file, as NDJSON with gzip")
    .argument("<file>", "- for stdout")
    .option("-f, --force", "overwrite the file if there is one")
    .addHelpText("after", example("events export events.ndjson.gz"))
    .action(async (file: string, { force = false }: { force?: boolean }, command: Command) => {
      const { out } = contextOf(command);
      if (file !== "-") checkAbsent(file, force);
      await archive(settings.env, (database) => exportTo(database, file, force, out));
    });
  events
    .command("import")
    .description("read an exported event log into a database whose event log is empty")
    .argument("<file>", "- for stdin")
    .addHelpText("after", example("events import events.ndjson.gz"))
    .action(async (file: string, _options: unknown, command: Command) => {
      const { out } = contextOf(command);
      await archive(settings.env, async (database) => {
        const bytes = file === "-" ? process.stdin : createReadStream(file);
        const imported = await importEvents(database, linesOf(bytes), {
          configured: configuredIn(settings.env),
          emptyState: emptyPartitionState,
          onProgress: progressOn(out),
        });
        const { settings: fixed, ...counts } = imported;
        const WINDOW = formatDuration(fixed.windowMs);
        out.record({ ...counts, window: WINDOW, partitions: fixed.partitions });
        out.note(
          imported.importedBefore
            ? "this log was imported before"
            : "the projections are built when a projector runs; partitions go on after accept-loss",
        );
        out.note(`start the service with WINDOW=${WINDOW} PARTITIONS=${fixed.partitions}`);
      });
    });
}

async function exportTo(
  database: Database,
  file: string,
  force: boolean,
  out: Output,
): Promise<void> {
  if ((await fixedSettings(database)) === undefined) {
    throw new CliFailure("nothing was ever started on this database");
  }
  const bytes = Readable.from(compressed(exportEvents(database, progressOn(out))));
  if (file !== "-") return writeWhole(file, bytes, force);
  try {
    await pipeline(bytes, process.stdout, { end: false });
  } catch (error) {
    if (!process.stdout.writable) throw new CliFailure("the reader of stdout left before the end");
    throw error;
  }
}

/** The settings that were chosen, and not the defaults: a file says by itself what it needs. */
function configuredIn(env: Environment): Partial<Settings> {
  const { windowMs, partitions } = readConfig(env);
  const isSet = (name: string) => (env[name] ?? "").trim() !== "";
  return { ...(isSet("WINDOW") && { windowMs }), ...(isSet("PARTITIONS") && { partitions }) };
}

function progressOn(out: Output): (progress: ExportProgress) => void {
  return ({ events, of }) => {
    const text = () => `${events.toLocaleString("en")} of ${of.toLocaleString("en")} events`;
    out.progress(text, events === of);
  };
}

async function archive(
  env: Environment,
  use: (database: Database) => Promise<void>,
): Promise<void> {
  try {
    await withDatabase(readConfig(env), use);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") throw new CliFailure("there is no such file or directory", 2);
    if (code === "EISDIR") throw new CliFailure("that is a directory, not a file", 2);
    if (error instanceof OtherSettings) throw new CliFailure(error.message, 2);
    throw error;
  }
}
