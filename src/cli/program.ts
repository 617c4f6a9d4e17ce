/** The command line: global options, and one file of verbs for each thing. */
import { Command, CommanderError, Option } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { ConfigError } from "../config.ts";
import { errorMessage } from "../log.ts";
import { CliFailure } from "./failure.ts";
import { spareLoopback } from "./loopback.ts";
import type { CliSettings } from "./settings.ts";
import { httpUrl } from "./verb.ts";
import { addActorVerbs } from "./verbs/actor.ts";
import { addAuditVerb } from "./verbs/audit.ts";
import { addDoctorVerb } from "./verbs/doctor.ts";
import { addEventsVerbs } from "./verbs/events.ts";
import { addExplainVerbs } from "./verbs/explain.ts";
import { addLedgerVerb } from "./verbs/ledger.ts";
import { addPartitionVerbs } from "./verbs/partition.ts";
import { addProjectionVerbs } from "./verbs/projection.ts";
import { addQuarantineVerbs } from "./verbs/quarantine.ts";
import { addServeVerb } from "./verbs/serve.ts";
import { addSimulateVerb } from "./verbs/simulate.ts";
import { addWhatIfVerb } from "./verbs/whatIf.ts";

/** A new verb is a file in `verbs/` and a line here. */
const verbs = [
  addServeVerb,
  addPartitionVerbs,
  addActorVerbs,
  addProjectionVerbs,
  addEventsVerbs,
  addExplainVerbs,
  addAuditVerb,
  addWhatIfVerb,
  addLedgerVerb,
  addQuarantineVerbs,
  (program: Command) => addSimulateVerb(program),
  addDoctorVerb,
];

const usage = 2;

export function createProgram(settings: CliSettings): Command {
  const program = new Command("payload-stats")
    .description("Exact, explainable statistics of peer-to-peer video delivery.")
    .version(packageJson.version)
    .addOption(
      new Option("--admin <url>", "the admin API")
        .argParser(httpUrl)
        .default(settings.adminUrl, `${settings.adminUrl}, by ADMIN_HOST and ADMIN_PORT`),
    )
    .option("--token <token>", "the admin token (by default ADMIN_TOKEN of the environment)")
    .addOption(
      new Option("-o, --output <form>", "form of the results")
        .choices(["table", "json"])
        .default("table"),
    )
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("See --help.")
    .addHelpText(
      "after",
      "\nResults go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed or not " +
        "good, 2 wrong usage.\n",
    )
    .setOptionValue("token", settings.adminToken)
    .exitOverride();
  for (const add of verbs) add(program, settings);
  return program;
}

/** A program of its own, with a command line of the same kind. */
export function standalone(name: string): Command {
  return new Command(name).showHelpAfterError("See --help.").exitOverride();
}

/** Runs a command line and resolves with the exit code. */
export async function runProgram(program: Command, args: readonly string[]): Promise<number> {
  spareLoopback(process.env);
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    // Commander has said what is wrong already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage;
    const failure = error instanceof CliFailure ? error : undefined;
    if (failure?.message !== "") process.stderr.write(`${errorMessage(error)}\n`);
    // The environment is part of how a verb is used.
    return failure?.exitCode ?? (error instanceof ConfigError ? usage : 1);
  }
}
