/** `bun run cluster`: the whole system as many processes, for a look. See `--help`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import { systemClock } from "../actors/clock.ts";
import { Cluster } from "../cluster/cluster.ts";
import { ClusterStatus, type StatusLine } from "../cluster/status.ts";
import { readConfig } from "../config.ts";
import { errorMessage, stderrLog } from "../log.ts";
import { runProgram, standalone } from "./program.ts";
import { integerFrom } from "./verb.ts";

const everyMs = 1_000;

interface ClusterFlags {
  readonly window: string;
  readonly partitions: string;
  readonly lease: string;
  readonly port: number;
  readonly data?: string;
}

const command = standalone("bun run cluster")
  .description(
    "Starts a whole cluster on the loopback interface, and shows what each process does.",
  )
  .option("--window <duration>", "length of a window", "10s")
  .option("--partitions <n>", "how many", "8")
  .option("--lease <duration>", "of the workers", "5s")
  .option(
    "--port <n>",
    "the first ingest; the second and admin take the next two",
    integerFrom(1, 65_533),
    8080,
  )
  .option(
    "--data <dir>",
    "kept and used again; without it, a temporary one that is removed",
    directory,
  )
  .addHelpText(
    "after",
    `
Three nats-servers with replicated streams, one Postgres, two ingest, three workers, one
projector, one admin. Kill or pause any of them by its pid. Ctrl-C stops everything in order.
Exit code: 0 stopped, 1 a part did not start, 2 a wrong command line.`,
  )
  .action(async (flags: ClusterFlags) => {
    const { window: WINDOW, partitions: PARTITIONS, lease: LEASE } = flags;
    // Checked before anything is started, by the rules that the processes go by.
    readConfig({ WINDOW, PARTITIONS, LEASE });
    const stopping = new AbortController();
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(name, () => stopping.abort());
    }
    const dataDir = flags.data ?? (await mkdtemp(join(tmpdir(), "payload-stats-cluster-")));
    try {
      await run(dataDir, flags, stopping.signal);
    } finally {
      if (flags.data === undefined) await rm(dataDir, { recursive: true, force: true });
    }
  });

/** An empty one is a variable of a shell that is not set. */
function directory(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("It must not be empty.");
}

async function run(dataDir: string, flags: ClusterFlags, signal: AbortSignal): Promise<void> {
  const { window, partitions, lease, port } = flags;
  const log = stderrLog("warn");
  process.stderr.write(`starting, data and logs in ${dataDir}\n`);
  const starting = Cluster.start({
    dataDir,
    binDir: join(import.meta.dir, "..", "..", ".data", "bin"),
    ...{ ingests: 2, workers: 3, projectors: 1, admins: 1 },
    env: { WINDOW: window, PARTITIONS: partitions, LEASE: lease },
    restartServers: true,
    firstPort: port,
    ...{ log, signal },
  });
  const cluster = await starting.catch((error: unknown) => {
    if (!signal.aborted) throw error;
    if (error !== signal.reason) process.stderr.write(`${errorMessage(error)}\n`);
    return undefined;
  });
  if (cluster === undefined) return;
  const status = new ClusterStatus(cluster);
  const screen = new Screen();
  while (!signal.aborted) {
    screen.show(await status.lines());
    await systemClock.sleep(everyMs, signal);
  }
  process.stderr.write("stopping\n");
  await status.close();
  await cluster.stop();
}

/** On a terminal the lines stay in their place; elsewhere a line is written when it changes. */
class Screen {
  #shown: readonly string[] = [];

  show(lines: readonly StatusLine[]): void {
    const texts = lines.map(lineText);
    if (process.stdout.isTTY) {
      const back = this.#shown.length === 0 ? "" : `\u001b[${this.#shown.length}A`;
      const width = process.stdout.columns;
      const rows = texts.map((text) => `\u001b[2K${text.slice(0, width - 1)}\n`);
      process.stdout.write(back + rows.join(""));
    } else {
      const changed = texts.filter((text, index) => text !== this.#shown[index]);
      process.stdout.write(changed.map((text) => `${text}\n`).join(""));
    }
    this.#shown = texts;
  }
}

function lineText({ name, state, pid, detail }: StatusLine): string {
  return `${name.padEnd(12)} ${state.padEnd(9)} ${String(pid ?? "-").padStart(8)}  ${detail}`;
}

process.exitCode = await runProgram(command, process.argv.slice(2));
