import { type Command, Option } from "commander";
import { quarantineStates } from "../../actors/operatorPorts.ts";
import { confirm } from "../confirm.ts";
import { objectsIn } from "../json.ts";
import { place } from "../receipts.ts";
import type { CliSettings } from "../settings.ts";
import { contextOf, count, example, ordinal, yesOption } from "../verb.ts";

interface ListOptions {
  readonly partition?: number;
  readonly state?: string;
  readonly reason?: string;
  readonly before?: number;
  readonly limit?: number;
}

const receiptHelp = "7.1042.3 for a payload, 7.1042 for a message";
const foundCharsShown = 60;

export function addQuarantineVerbs(program: Command, settings: CliSettings): void {
  const quarantine = program
    .command("quarantine")
    .description("messages and payloads that could not be applied")
    .addHelpText("after", example("quarantine ls --state held"));
  quarantine
    .command("ls")
    .description("list them, the newest first")
    .option("--partition <number>", "only of this partition", count)
    .addOption(new Option("--state <state>", "only in this state").choices([...quarantineStates]))
    .option("--reason <text>", "only with exactly this reason")
    .option("--before <id>", "only with a smaller id: the next page", ordinal)
    .option("--limit <number>", "rows at most", ordinal)
    .addHelpText("after", example("quarantine ls --state held --limit 20"))
    .action(async (options: ListOptions, command: Command) => {
      const { client, out } = contextOf(command);
      const { partition, state, reason, before, limit } = options;
      const query = { partition, state, reason, before, limit };
      const body = await client.get("/admin/quarantine", query);
      out.rows(body, objectsIn(body, "quarantine"), [
        ["ID", "id"],
        ["RECEIPT", "receipt"],
        ["STATE", "state"],
        ["AT", "quarantinedAt"],
        ["REASON", "reason"],
        ["FOUND", ({ found }) => JSON.stringify(String(found).slice(0, foundCharsShown))],
      ]);
      if (body.next !== null) out.note(`the next page: --before ${String(body.next)}`);
    });
  quarantine
    .command("show")
    .description("show one, with all that was found")
    .argument("<receipt>", receiptHelp, place)
    .addHelpText("after", example("quarantine show 7.1042.3"))
    .action(async (receipt: string, _options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      out.record(await client.get(`/admin/quarantine/${encodeURIComponent(receipt)}`));
    });
  quarantine
    .command("retry")
    .description("publish it again as it was; it is counted once")
    .argument("<receipt>", receiptHelp, place)
    .addHelpText("after", example("quarantine retry 7.1042.3"))
    .action(async (receipt: string, _options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      out.record(await client.post(path(receipt, "retry"), { by: settings.decider }));
    });
  quarantine
    .command("discard")
    .description("let it be for good; it stays in the table")
    .argument("<receipt>", receiptHelp, place)
    .addOption(yesOption())
    .addHelpText("after", example("quarantine discard 7.1042.3 --yes"))
    .action(async (receipt: string, { yes = false }: { yes?: boolean }, command: Command) => {
      const { client, out } = contextOf(command);
      await confirm(`${receipt} can not be retried after this.`, yes);
      out.record(await client.post(path(receipt, "discard"), { by: settings.decider }));
    });
}

function path(receipt: string, decision: "retry" | "discard"): string {
  return `/admin/quarantine/${encodeURIComponent(receipt)}/${decision}`;
}
