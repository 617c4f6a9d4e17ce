import type { Command } from "commander";
import { objectsIn } from "../json.ts";
import type { CliSettings } from "../settings.ts";
import { contextOf, example } from "../verb.ts";

const commands = {
  rebuild: "make its table anew from the event log, while the old one is read",
  pause: "let its table stay as it is",
  resume: "go on where it was paused",
} as const;

export function addProjectionVerbs(program: Command, settings: CliSettings): void {
  const projection = program
    .command("projection")
    .description("the tables that are made from the events");
  projection
    .command("ls")
    .description("list all projections")
    .addHelpText("after", example("projection ls"))
    .action(async (_options: unknown, command: Command) => {
      const { client, out } = contextOf(command, settings);
      const body = await client.get("/admin/projections");
      out.rows(body, objectsIn(body, "projections"), [
        ["NAME", "name"],
        ["VERSION", "version"],
        ["STATE", "state"],
        ["APPLIED", "applied"],
        ["EVENTS", "events"],
        ["SEALED THROUGH", "sealedThrough"],
      ]);
    });
  for (const [verb, description] of Object.entries(commands)) {
    projection
      .command(verb)
      .description(description)
      .argument("<name>", "for example stats")
      .addHelpText("after", example(`projection ${verb} stats`))
      .action(async (name: string, _options: unknown, command: Command) => {
        const { client, out } = contextOf(command, settings);
        out.record(await client.post(`/admin/projections/${encodeURIComponent(name)}/${verb}`));
      });
  }
}
