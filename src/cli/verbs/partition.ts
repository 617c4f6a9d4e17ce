import type { Command } from "commander";
import { confirm } from "../confirm.ts";
import { CliFailure } from "../failure.ts";
import { objectsIn } from "../json.ts";
import type { CliSettings } from "../settings.ts";
import { contextOf, count, example, yesOption } from "../verb.ts";

export function addPartitionVerbs(program: Command, settings: CliSettings): void {
  const partition = program
    .command("partition")
    .description("partitions and their checkpoints")
    .addHelpText("after", example("partition ls"));
  partition
    .command("ls")
    .description("list all partitions")
    .addHelpText("after", example("partition ls"))
    .action(async (_options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      const body = await client.get("/admin/partitions");
      out.rows(body, objectsIn(body, "partitions"), [
        ["PARTITION", "partition"],
        ["OWNER", "owner"],
        ["EPOCH", "epoch"],
        ["SEQUENCE", "sequence"],
        ["POSITION", "position"],
        ["SEALED THROUGH", "sealedThrough"],
        ["STOPPED", "stopped", ({ stopped }) => (stopped ? "red" : undefined)],
      ]);
    });
  partition
    .command("accept-loss")
    .description("let a stopped partition go on although messages of its stream are lost")
    .argument("<partition>", "its number", count)
    .addOption(yesOption())
    .addHelpText("after", example("partition accept-loss 7"))
    .action(async (number: number, { yes = false }: { yes?: boolean }, command: Command) => {
      const { client, out } = contextOf(command);
      const body = await client.get("/admin/partitions");
      const found = objectsIn(body, "partitions").find((row) => row.partition === number);
      if (found === undefined) throw new CliFailure(`there is no partition ${number}`, 2);
      // The service knows better: one of an earlier version does not say so here.
      if (found.halted === false || typeof found.stopped !== "string") {
        throw new CliFailure(`partition ${number} is not stopped, or goes on by itself`);
      }
      out.note(`partition ${number} is stopped: ${found.stopped}`);
      await confirm(
        `Payloads of partition ${number} that are lost will never be counted, ` +
          "and that is recorded for good.",
        yes,
      );
      const { decider: by } = settings;
      const accepted = await client.post(`/admin/partitions/${number}/accept-loss`, { by });
      out.record(accepted);
      out.note(`partition ${number} goes on at sequence ${String(accepted.continuesFrom)}`);
    });
}
