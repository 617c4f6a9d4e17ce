/** `bun run chaos`: a cluster under load and faults, and an independent verdict. See `--help`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Option } from "commander";
import { schedule } from "../cluster/chaos/faults.ts";
import { describeRun } from "../cluster/chaos/report.ts";
import { Chaos, type ChaosOptions } from "../cluster/chaos/run.ts";
import { Cluster } from "../cluster/cluster.ts";
import { readConfig } from "../config.ts";
import { formatDuration } from "../domain/duration.ts";
import { errorMessage, stderrLog } from "../log.ts";
import { CliFailure } from "./failure.ts";
import { interruption } from "./interruption.ts";
import { runProgram, standalone } from "./program.ts";
import { durationOption } from "./times.ts";
import { count, ordinal } from "./verb.ts";

interface ChaosFlags {
  readonly for: number;
  readonly faults: number;
  readonly seed: number;
  readonly window: string;
  readonly partitions: string;
  readonly lease: string;
  readonly rate: number;
  readonly longNatsPauses?: true;
  readonly keep?: true;
}

const command = standalone("bun run chaos")
  .description("Breaks a cluster under load in every way it knows, and checks every number.")
  .addOption(
    durationOption("--for <duration>", "how long, at least: faults are waited out", "5m", 1_000),
  )
  .option("--faults <n>", "how many faults in that time", count, 30)
  .addOption(
    new Option("--seed <n>", "decides which, when and where")
      .argParser(count)
      .default(crypto.getRandomValues(new Uint16Array(1))[0], "a new one each time"),
  )
  .option("--window <duration>", "length of a window", "10s")
  .option("--partitions <n>", "how many", "6")
  .option("--lease <duration>", "of the workers", "5s")
  .option("--rate <n>", "payloads a second", ordinal, 300)
  .option(
    "--long-nats-pauses",
    "also stop nats-servers for longer than an election: more than nats-server 2.9.10 can bear, " +
      "see docs/RELIABILITY.md",
  )
  .option("--keep", "keep data and logs also when there is no difference")
  .addHelpText(
    "after",
    `
Three nats-servers with replicated streams, one Postgres, two ingest, three workers, two
projectors, one admin. Exit code: 0 no difference, 1 a difference, 2 a wrong command line.`,
  )
  .action(async (flags: ChaosFlags) => {
    const options = chaosOptions(flags);
    const dataDir = await mkdtemp(join(tmpdir(), "payload-stats-chaos-"));
    const good = await run(dataDir, options, interruption()).catch((error: unknown) => {
      process.stderr.write(`${errorMessage(error)}\n`);
      return false;
    });
    if (good && flags.keep !== true) await rm(dataDir, { recursive: true, force: true });
    else process.stderr.write(`data and logs are kept in ${dataDir}\n`);
    if (!good) throw new CliFailure("");
  });

/** @throws ConfigError for what the processes would refuse, before anything is started. */
function chaosOptions(flags: ChaosFlags): ChaosOptions {
  const { window: WINDOW, partitions: PARTITIONS, lease: LEASE, seed, faults } = flags;
  const { windowMs, partitions, leaseMs } = readConfig({ WINDOW, PARTITIONS, LEASE });
  return {
    seed,
    leaseMs,
    forMs: flags.for,
    blows: schedule(seed, { leaseMs, faults, longNatsPauses: flags.longNatsPauses === true }),
    windowMs,
    partitions,
    payloadsPerSecond: flags.rate,
  };
}

async function run(dataDir: string, options: ChaosOptions, signal: AbortSignal): Promise<boolean> {
  const log = stderrLog("warn");
  const startedMs = Date.now();
  const say = (line: string) => {
    const seconds = ((Date.now() - startedMs) / 1_000).toFixed(1).padStart(6);
    process.stderr.write(`${seconds} s  ${line}\n`);
  };
  say(`seed ${options.seed}; data and logs in ${dataDir}`);
  const cluster = await Cluster.start({
    dataDir,
    binDir: join(import.meta.dir, "..", "..", ".data", "bin"),
    ...{ ingests: 2, workers: 3, projectors: 2, admins: 1 },
    env: {
      WINDOW: formatDuration(options.windowMs),
      PARTITIONS: String(options.partitions),
      LEASE: formatDuration(options.leaseMs),
      LOG_LEVEL: "info",
    },
    restartServers: false,
    log,
  });
  try {
    say("the cluster runs");
    const result = await new Chaos(cluster, options, say).run(signal);
    process.stdout.write(`${describeRun(options, result)}\n`);
    return result.differences.length === 0;
  } finally {
    await cluster.stop();
  }
}

process.exitCode = await runProgram(command, process.argv.slice(2));
