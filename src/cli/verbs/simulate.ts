import type { Command } from "commander";
import { help } from "../../simulator/options.ts";
import { CliFailure } from "../failure.ts";
import { runSimulation } from "../simulation.ts";
import { example } from "../verb.ts";

/** The same as `bun run simulate`, which reads its options by itself. */
export function addSimulateVerb(program: Command): void {
  program
    .command("simulate")
    .description("simulate viewers, then compare the tables with what was acknowledged")
    .addHelpText("after", `\n${help}${example("simulate --devices 1000 --for 1m --speed 10")}`)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async (_options: unknown, command: Command) => {
      const { output } = command.optsWithGlobals<{ output?: unknown }>();
      const form = output === "json" ? "json" : "table";
      const exitCode = await runSimulation(command.args, form);
      if (exitCode !== 0) throw new CliFailure("", exitCode === 2 ? 2 : 1);
    });
}
