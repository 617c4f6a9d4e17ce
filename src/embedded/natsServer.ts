/** The embedded nats-server: one JetStream server on the loopback interface. */
import { lstatSync } from "node:fs";
import { mkdir, readdir, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../log.ts";
import { canFlushAlways } from "../nats/serverVersion.ts";
import { embeddedNatsUrl } from "./addresses.ts";
import { findNatsServer, type NatsBinary } from "./natsBinary.ts";
import { loopback } from "./ports.ts";
import { commandLine, endProcess, isAlive, readIfThere } from "./processes.ts";
import type { ServerSpec } from "./serverProcess.ts";

/** Finds the server, writes its configuration, and says how to run it. */
export async function prepareNats(
  dataDir: string,
  binDir: string,
  port: number,
  log: Log,
): Promise<ServerSpec> {
  const binary = await findNatsServer(binDir, log);
  const directory = natsDir(dataDir);
  await mkdir(directory, { recursive: true });
  const jetStream = await jetStreamBlock(directory, binary);
  await writeFile(configFile(directory), configuration(directory, port, jetStream));
  log.info(`durability: ${durability(binary)}`, { version: binary.version });
  return {
    name: "nats-server",
    url: embeddedNatsUrl(port),
    command: [binary.path, "--config", configFile(directory)],
    logFile: join(dataDir, "log", "nats.log"),
    stopSignal: "SIGTERM",
    watchSignal: "TERM",
    ready: async (pid) => readIfThere(pidFile(directory))?.trim() === String(pid) && greets(port),
  };
}

/** Ends a nats-server on the data in `directory` whose parent died without ending it. */
export async function endOrphanNats(directory: string, log: Log): Promise<void> {
  const pid = Number(readIfThere(pidFile(directory)));
  if (!(pid > 1) || !isAlive(pid)) return;
  // The pid may by now belong to anything; ours has our configuration in its command.
  if (!` ${commandLine(pid)} `.includes(` --config ${configFile(directory)} `)) return;
  await endProcess(pid, "SIGTERM", 3_000);
  log.warn("ended a nats-server left by a dead process", { pid });
}

/** Where the one embedded server keeps everything. */
export function natsDir(dataDir: string): string {
  return join(dataDir, "nats");
}

export function configFile(directory: string): string {
  return join(directory, "nats-server.conf");
}

export function pidFile(directory: string): string {
  return join(directory, "nats-server.pid");
}

function configuration(directory: string, port: number, jetStream: string): string {
  return `# Written at each start; changes here are lost.
server_name: payload-stats
host: ${loopback}
port: ${port}
pid_file: ${JSON.stringify(pidFile(directory))}
${jetStream}`;
}

/** The part of a configuration that says what a server keeps, how, and how many bytes of it. */
export async function jetStreamBlock(directory: string, { version }: NatsBinary): Promise<string> {
  const bytesMax = await storeBytesMax(join(directory, "jetstream"));
  const lines = [
    `store_dir: ${JSON.stringify(directory)}`,
    ...(bytesMax === undefined ? [] : [`max_file_store: ${bytesMax}`]),
    ...(canFlushAlways(version) ? ["sync_interval: always"] : []),
  ];
  return `max_payload: 1MB\njetstream {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;
}

/**
 * What a server may store there in all: what it has, and three quarters of what is free. By itself
 * it takes three quarters of what is free at each start, and counts what it has stored against
 * that. Undefined where this cannot be told: then it may do so.
 */
async function storeBytesMax(store: string): Promise<number | undefined> {
  try {
    await mkdir(store, { recursive: true });
    const { bavail, bsize } = await statfs(store);
    const names = await readdir(store, { recursive: true });
    const sizes = names.map((name) => lstatSync(join(store, name)).size);
    return sizes.reduce((sum, size) => sum + size, Math.floor(bavail * bsize * 0.75));
  } catch {
    return undefined;
  }
}

function durability({ version }: NatsBinary): string {
  return canFlushAlways(version)
    ? "an acknowledged payload is on disk (sync_interval: always); it survives a power cut"
    : "an acknowledged payload survives the death of any process, but this nats-server flushes " +
        "to disk once a minute: a power cut can lose the last minute. 2.10 or newer flushes always";
}

/** The server greets each connection, but only once JetStream has recovered its streams. */
async function greets(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = await Bun.connect({
    hostname: loopback,
    port,
    socket: {
      data: (_socket, data) => resolve(data.toString().startsWith("INFO ")),
      close: () => resolve(false),
      error: () => resolve(false),
    },
  }).catch(() => undefined);
  if (socket === undefined) return false;
  const timer = setTimeout(() => resolve(false), 1_000);
  const greeted = await promise;
  clearTimeout(timer);
  socket.end();
  return greeted;
}
