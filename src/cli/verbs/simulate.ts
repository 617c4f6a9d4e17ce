import { type Command, Option } from "commander";
import { dayMs } from "../../domain/windows.ts";
import { CliFailure } from "../failure.ts";
import { runSimulation } from "../simulation.ts";
import { durationOption, windowLength } from "../times.ts";
import { httpUrl, integerFrom, numberFrom } from "../verb.ts";

interface SimulateFlags {
  readonly url: string;
  readonly devices: number;
  readonly contents: number;
  readonly for: number;
  readonly speed: number;
  readonly batch?: true;
  readonly keys: number;
  readonly connections: number;
  readonly clockSkew: number;
  readonly window?: number;
  readonly seed?: number;
}

/** Of the devices, where a collector is asked for. */
const batchShare = 0.3;

/** @param run resolves with the exit code. */
export function addSimulateVerb(program: Command, run = runSimulation): void {
  program
    .command("simulate")
    .description("simulate viewers, then compare the tables with what was acknowledged")
    .option("--devices <n>", "most of them watch at any time", integerFrom(1, 1_000_000), 1_000)
    .option(
      "--contents <n>",
      "pairs of customer and content, of Zipf-like popularity",
      integerFrom(1, 100_000),
      50,
    )
    .addOption(
      durationOption("--for <duration>", "how long to send, real time", "1m", 1_000, dayMs),
    )
    .option(
      "--speed <n>",
      "how many times faster than the clock the devices live: each sends a payload every 30 s of " +
        "its time",
      numberFrom(1, 1_000),
      1,
    )
    .option("--url <url>", "public address of the service", httpUrl, "http://localhost:8080")
    .option(
      "--batch",
      "three devices in ten go through a collector: POST /stats/batch, compressed by gzip",
    )
    .option(
      "--keys <share>",
      "share of devices that send an Idempotency-Key; some of them send requests twice, which " +
        "must not count",
      numberFrom(0, 1),
      0.2,
    )
    .option("--connections <n>", "requests in flight at a time", integerFrom(1, 256), 128)
    .option("--window <duration>", "of the service, where it shall not be asked", windowLength)
    .addOption(
      durationOption(
        "--clock-skew <duration>",
        "how far this clock and the broker's may be apart",
        "5ms",
        0,
        60_000,
      ),
    )
    .addOption(
      new Option(
        "--seed <n>",
        "repeats the choices of an earlier run (by default a new one)",
      ).argParser(integerFrom(0, 2 ** 32 - 1)),
    )
    .addHelpText("after", more)
    .action(async ({ batch, ...flags }: SimulateFlags, command: Command) => {
      const { output } = command.optsWithGlobals<{ output?: unknown }>();
      const options = {
        ...flags,
        url: flags.url.replace(/\/+$/, ""),
        forMs: flags.for,
        windowMs: flags.window,
        clockSkewMs: flags.clockSkew,
        keyedShare: flags.keys,
        batchShare: batch === true ? batchShare : 0,
        seed: flags.seed,
      };
      const exitCode = await run(options, output === "json" ? "json" : "table");
      if (exitCode !== 0) throw new CliFailure("");
    });
}

const more = `
At the end it waits until the windows are sealed, then compares stats and sessions row by row.
Ctrl-C ends sending early and still compares; again, and it gives up.
Exit code: 0 no difference, 1 a difference, 2 a wrong command line, 130 given up.

Example:
  payload-stats simulate --devices 1000 --for 1m --speed 10

Without the installed command:
  bun run simulate --devices 1000 --contents 50 --for 10m --speed 10
  bun run simulate --devices 20000 --for 1m --speed 10 --batch
  bun run simulate --url http://stats.example.com --clock-skew 500ms --seed 7
`;
