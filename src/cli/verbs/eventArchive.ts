import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { emptyPartitionState } from "../../actors/partitionState.ts";
import { type Config, readConfig } from "../../config.ts";
import { createLog } from "../../log.ts";
import type { Database } from "../../store/database.ts";
import { compressed, linesOf } from "../../store/eventArchive.ts";
import { type ExportProgress, exportEvents } from "../../store/eventExport.ts";
import { importEvents } from "../../store/eventImport.ts";
import { openDatabase } from "../../store/open.ts";
import { CliFailure } from "../failure.ts";
import type { Output } from "../output.ts";
import type { CliSettings, Environment } from "../settings.ts";
import { contextOf, example } from "../verb.ts";

const waitMs = 5_000;
const deadlineMs = 30_000;
const progressMs = 500;

/** Both talk to Postgres themselves, since a log may be larger than what an answer should hold. */
export function addArchiveVerbs(events: Command, settings: CliSettings): void {
  events
    .command("export")
    .description("write the event log to a file, as NDJSON with gzip")
    .argument("<file>", "- for stdout")
    .addHelpText("after", example("events export events.ndjson.gz"))
    .action(async (file: string, _options: unknown, command: Command) => {
      const { out } = contextOf(command, settings);
      await withDatabase(settings.env, (database) => exportTo(database, file, out));
    });
  events
    .command("import")
    .description("read an exported event log into a database whose event log is empty")
    .argument("<file>", "- for stdin")
    .option("--restart", "give up what an unfinished import of another file has left")
    .addHelpText("after", example("events import events.ndjson.gz"))
    .action(async (file: string, { restart }: { restart?: boolean }, command: Command) => {
      const { out } = contextOf(command, settings);
      await withDatabase(settings.env, async (database) => {
        const bytes = file === "-" ? process.stdin : createReadStream(file);
        const onProgress = progressOn(out);
        const imported = await importEvents(database, linesOf(bytes), {
          emptyState: emptyPartitionState,
          restart: restart === true,
          onProgress,
        });
        out.record({ ...imported });
        out.note(
          imported.done
            ? "this log was imported before"
            : "the projections are built when a projector runs; partitions go on after accept-loss",
        );
      });
    });
}

/** A file is there whole or not at all. */
async function exportTo(database: Database, file: string, out: Output): Promise<void> {
  const bytes = Readable.from(compressed(exportEvents(database, progressOn(out))));
  if (file === "-") return pipeline(bytes, process.stdout, { end: false });
  const unfinished = `${file}.unfinished`;
  try {
    await pipeline(bytes, createWriteStream(unfinished));
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

function progressOn(out: Output): (progress: ExportProgress) => void {
  let shownAt = 0;
  return ({ events, of }) => {
    const now = performance.now();
    if (now - shownAt < progressMs && events < of) return;
    shownAt = now;
    out.note(`${events.toLocaleString("en")} of ${of.toLocaleString("en")} events`);
  };
}

async function withDatabase(
  env: Environment,
  use: (database: Database) => Promise<void>,
): Promise<void> {
  const database = await openDatabase(
    {
      url: databaseUrl(readConfig(env)),
      applicationName: "payload-stats cli",
      connectionsMax: 2,
      deadlineMs,
      log: createLog("error", (line) => void process.stderr.write(line), Date.now),
    },
    waitMs,
  );
  try {
    await use(database);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw new CliFailure("there is no such file", 2);
    }
    throw error;
  } finally {
    await database.close();
  }
}

function databaseUrl({ databaseUrl: url, embeddedPgPort }: Config): string {
  return url ?? `postgres://postgres@127.0.0.1:${embeddedPgPort}/payload_stats`;
}
