import { type Command, Option } from "commander";
import { actorSorts, actorStates } from "../../actors/readPorts.ts";
import { isObject, type JsonObject } from "../../domain/json.ts";
import { eventColumns } from "../eventColumns.ts";
import { objectsIn } from "../json.ts";
import type { Column } from "../output.ts";
import { moment } from "../times.ts";
import { contextOf, example, ordinal } from "../verb.ts";

interface ListOptions {
  readonly customer?: string;
  readonly content?: string;
  readonly state?: string;
  readonly sort?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

interface GetOptions {
  readonly at?: string;
}

const columns: readonly Column[] = [
  ["CUSTOMER", "customer"],
  ["CONTENT", "content"],
  ["STATE", "state"],
  ["PARTITION", "partition"],
  ["WINDOW END", (row) => windowOf(row).windowEnd],
  ["CDN", (row) => windowOf(row).cdn],
  ["P2P", (row) => windowOf(row).p2p],
  ["SESSIONS", (row) => windowOf(row).sessions],
  ["PAYLOADS", (row) => windowOf(row).payloads],
];

export function addActorVerbs(program: Command): void {
  const actor = program
    .command("actor")
    .description("one for each customer and content")
    .addHelpText("after", example("actor get Customer1 channel1"));
  actor
    .command("ls")
    .description("list the actors that are alive, with their open windows")
    .option("--customer <name>", "only of exactly this customer")
    .option("--content <name>", "only of exactly this content")
    .addOption(new Option("--state <state>", "only in this state").choices([...actorStates]))
    .addOption(new Option("--sort <order>", "largest first, or by name").choices([...actorSorts]))
    .option("--limit <number>", "actors at most", ordinal)
    .option("--cursor <cursor>", "of the page before: the next page")
    .addHelpText("after", example("actor ls --sort bytes --limit 10"))
    .action(async (options: ListOptions, command: Command) => {
      const { client, out } = contextOf(command);
      const { customer, content, state, sort, limit, cursor } = options;
      const query = { customer, content, state, sort, limit, cursor };
      const body = await client.get("/admin/actors", query);
      const rows = objectsIn(body, "actors");
      out.rows(body, rows, columns);
      out.note(`${rows.length} of ${String(body.total)} actors`);
      if (body.cursor !== null) out.note(`the next page: --cursor ${String(body.cursor)}`);
      if (Array.isArray(body.silentPartitions) && body.silentPartitions.length > 0) {
        out.note(`partitions that did not answer: ${body.silentPartitions.join(", ")}`);
      }
    });
  actor
    .command("get")
    .description("show one actor, its open window and its last events")
    .argument("<customer>")
    .argument("<content>")
    .option(
      "--at <moment>",
      "as it was at a time, or at a position of its partition's events",
      moment,
    )
    .addHelpText("after", example("actor get Customer1 channel1 --at 2026-01-31T10:12:00Z"))
    .action(async (customer: string, content: string, options: GetOptions, command: Command) => {
      const { client, out } = contextOf(command);
      const body = await client.get("/admin/actor", { customer, content, at: options.at });
      const { events: _, ...actor } = body;
      out.either(body, () => {
        out.record(actor);
        out.rows(body, objectsIn(body, "events"), eventColumns);
      });
    });
}

function windowOf(row: JsonObject): JsonObject {
  return isObject(row.window) ? row.window : {};
}
