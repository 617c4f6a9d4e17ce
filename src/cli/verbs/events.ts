import { type Command, InvalidArgumentError } from "commander";
import type { AdminClient } from "../adminClient.ts";
import { eventColumns } from "../eventColumns.ts";
import { CliFailure } from "../failure.ts";
import { objectsIn } from "../json.ts";
import type { Output } from "../output.ts";
import type { CliSettings } from "../settings.ts";
import { contextOf, count, example, ordinal } from "../verb.ts";
import { addArchiveVerbs } from "./eventArchive.ts";

interface TailOptions {
  readonly lines: number;
  readonly follow?: boolean;
  readonly customer?: string;
  readonly content?: string;
}

type Filter = Pick<TailOptions, "customer" | "content">;

const pollMs = 1_000;
const pageMax = 1_000;

export function addEventsVerbs(program: Command, settings: CliSettings): void {
  const events = program
    .command("events")
    .description("the event log")
    .addHelpText("after", example("events tail -n 5"));
  addArchiveVerbs(events, settings);
  events
    .command("tail")
    .description("show the newest events, and go on with --follow")
    .option("-n, --lines <number>", `how many, at most ${pageMax}`, lineCount, 20)
    .option("-f, --follow", "wait for more")
    .option("--customer <name>", "only of exactly this customer")
    .option("--content <name>", "only of exactly this content")
    .addHelpText("after", example("events tail -n 5 --follow"))
    .action(async (options: TailOptions, command: Command) => {
      const { client, out } = contextOf(command);
      const { lines, follow = false, ...filter } = options;
      const after = follow ? await positions(client) : new Map<number, number>();
      if (lines > 0) await showNewest(client, out, lines, filter, after);
      while (follow && out.hasReader) {
        await Bun.sleep(pollMs);
        await showNew(client, out, after, filter);
      }
    });
  events
    .command("show")
    .description("show one event")
    .argument("<partition>", "from 0", count)
    .argument("<position>", "from 1", ordinal)
    .addHelpText("after", example("events show 7 12"))
    .action(async (partition: number, position: number, _options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      const afterPosition = Math.max(0, position - 1);
      const query = { partition, afterPosition, order: "asc", limit: 1 };
      const [event] = objectsIn(await client.get("/admin/events", query), "events");
      if (event?.position !== position) {
        throw new CliFailure(`partition ${partition} has no event ${position}`);
      }
      out.record(event);
    });
}

function lineCount(text: string): number {
  const lines = count(text);
  if (lines <= pageMax) return lines;
  throw new InvalidArgumentError(`It must be at most ${pageMax}.`);
}

/** Of each partition, the position after which events are new. */
async function positions(client: AdminClient): Promise<Map<number, number>> {
  const partitions = objectsIn(await client.get("/admin/partitions"), "partitions");
  return new Map(partitions.map((row) => [Number(row.partition), Number(row.position)]));
}

/** What was recorded since the positions were read may be among them, and is not new after that. */
async function showNewest(
  client: AdminClient,
  out: Output,
  lines: number,
  filter: Filter,
  after: Map<number, number>,
): Promise<void> {
  const query = { ...filter, limit: lines };
  const newest = objectsIn(await client.get("/admin/events", query), "events");
  out.stream(newest.toReversed(), eventColumns);
  for (const event of newest) {
    const [partition, position] = [Number(event.partition), Number(event.position)];
    after.set(partition, Math.max(after.get(partition) ?? 0, position));
  }
}

async function showNew(
  client: AdminClient,
  out: Output,
  after: Map<number, number>,
  filter: Filter,
): Promise<void> {
  for (const [partition, position] of await positions(client)) {
    const afterPosition = after.get(partition) ?? 0;
    if (position <= afterPosition) continue;
    const query = { ...filter, partition, afterPosition, order: "asc", limit: pageMax };
    const found = objectsIn(await client.get("/admin/events", query), "events");
    out.stream(found, eventColumns);
    const last = Number(found.at(-1)?.position ?? 0);
    after.set(partition, found.length < pageMax ? Math.max(position, last) : last);
  }
}
