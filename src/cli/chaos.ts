/** `bun run chaos`: a cluster under load and faults, and an independent verdict. See `--help`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { schedule } from "../cluster/chaos/faults.ts";
import { describeRun } from "../cluster/chaos/report.ts";
import { Chaos, type ChaosOptions } from "../cluster/chaos/run.ts";
import { Cluster } from "../cluster/cluster.ts";
import { readConfig } from "../config.ts";
import { formatDuration, parseDuration } from "../domain/duration.ts";
import { errorMessage, stderrLog } from "../log.ts";

const help = `Breaks a cluster under load in every way it knows, and checks every number.

Usage: bun run chaos [options]

  --for DURATION     how long (5m)
  --faults N         how many faults in that time (30)
  --seed N           decides which, when and where; a new one each time
  --window DURATION  length of a window (10s)
  --partitions N     (6)
  --lease DURATION   (5s)
  --rate N           payloads a second (300)
  --long-nats-pauses also stop nats-servers for longer than an election: more than
                     nats-server 2.9.10 can bear, see docs/RELIABILITY.md
  --keep             keep data and logs also when there is no difference
  --help

Three nats-servers with replicated streams, one Postgres, two ingest, three workers, two
projectors, one admin. Exit code: 0 no difference, 1 a difference, 2 a wrong command line.
`;

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === "string") {
    (options === help ? process.stdout : process.stderr).write(options);
    return options === help ? 0 : 2;
  }
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(130);
      interrupted.abort();
    });
  }
  const dataDir = await mkdtemp(join(tmpdir(), "payload-stats-chaos-"));
  const good = await run(dataDir, options, interrupted.signal).catch((error: unknown) => {
    process.stderr.write(`${errorMessage(error)}\n`);
    return false;
  });
  if (good && !options.keep) await rm(dataDir, { recursive: true, force: true });
  else process.stderr.write(`data and logs are kept in ${dataDir}\n`);
  return good ? 0 : 1;
}

interface Options extends ChaosOptions {
  readonly keep: boolean;
}

function readOptions(args: string[]): Options | string {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  try {
    const { values } = parseArgs({
      args,
      options: {
        for: text("5m"),
        faults: text("30"),
        seed: text(String(crypto.getRandomValues(new Uint16Array(1))[0])),
        window: text("10s"),
        partitions: text("6"),
        lease: text("5s"),
        rate: text("300"),
        "long-nats-pauses": { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help === true) return help;
    const seed = whole("seed", values.seed, 0);
    const leaseMs = duration("lease", values.lease);
    const { window: WINDOW, partitions: PARTITIONS, lease: LEASE } = values;
    // Checked before anything is started, by the rules that the processes go by.
    readConfig({ WINDOW, PARTITIONS, LEASE });
    return {
      seed,
      leaseMs,
      forMs: duration("for", values.for),
      blows: schedule(seed, {
        leaseMs,
        faults: whole("faults", values.faults, 0),
        longNatsPauses: values["long-nats-pauses"],
      }),
      windowMs: duration("window", values.window),
      partitions: whole("partitions", values.partitions, 1),
      payloadsPerSecond: whole("rate", values.rate, 1),
      keep: values.keep,
    };
  } catch (error) {
    return `${errorMessage(error)}\nSee: bun run chaos --help\n`;
  }
}

function whole(name: string, text: string, min: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min) return value;
  throw new Error(`--${name}: must be a whole number from ${min}, not "${text}"`);
}

function duration(name: string, text: string): number {
  const value = parseDuration(text);
  if (value !== undefined && value >= 1_000) return value;
  throw new Error(`--${name}: must be a duration like 90s or 5m from 1s, not "${text}"`);
}

async function run(dataDir: string, options: Options, signal: AbortSignal): Promise<boolean> {
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

process.exitCode = await main(process.argv.slice(2));
