import type { Command } from "commander";
import { example } from "../verb.ts";

/** Runs until it is stopped. */
export function addServeVerb(program: Command): void {
  program
    .command("serve")
    .description("run the service, configured by the environment")
    .addHelpText("after", example("serve").replace("payload", "WINDOW=1m PORT=8080 payload"))
    .action(async () => {
      // Loaded only here: it starts at once, and no other verb needs it.
      await import("../../main.ts");
    });
}
