/** Real servers for tests: one Postgres and one nats-server for each file that asks for them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { type Embedded, startEmbedded } from "../../src/embedded/embedded.ts";
import { prepareNats } from "../../src/embedded/natsServer.ts";
import { findFreePort } from "../../src/embedded/ports.ts";
import { ServerProcess } from "../../src/embedded/serverProcess.ts";
import { Watcher } from "../../src/embedded/watcher.ts";
import { createLog } from "../../src/log.ts";

export interface SharedServers {
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly pgPort: number;
  readonly natsPort: number;
}

/** A nats-server of one test, which may kill it. */
export interface NatsServer {
  readonly url: string;
  readonly port: number;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** Sends the signal; unless that is SIGSTOP or SIGCONT, resolves when the server has ended. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and data; resolves when it takes connections. */
  start(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** A nats-server that had to be downloaded is kept here from one run of the tests to the next. */
export const testBinDir = join(import.meta.dir, "..", "..", ".data", "bin");

export const testLog = createLog("error", (line) => process.stderr.write(line), Date.now);

const directories = new Set<string>();
const stops: (() => Promise<void>)[] = [];
let shared: Promise<SharedServers> | undefined;
let databases = 0;

/** A new empty directory, removed when the tests end. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "payload-stats-"));
  directories.add(directory);
  return directory;
}

/** The servers that all tests of a file share. They are started at the first call. */
export function sharedServers(): Promise<SharedServers> {
  shared ??= startShared();
  return shared;
}

/** Creates an empty database on the shared Postgres and returns its URL. */
export async function freshDatabase(): Promise<string> {
  const { databaseUrl } = await sharedServers();
  databases += 1;
  const name = `test_${databases}`;
  const sql = postgres(databaseUrl, { max: 1 });
  await sql`CREATE DATABASE ${sql(name)}`;
  await sql.end();
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Starts a nats-server with a store of its own. */
export async function freshNatsServer(): Promise<NatsServer> {
  const directory = temporaryDirectory();
  const port = await findFreePort();
  await Bun.write(join(directory, "log", "nats.log"), "");
  const spec = await prepareNats(directory, testBinDir, port, testLog);
  const watcher = new Watcher(testLog);
  const server = new ServerProcess(spec, watcher, testLog);
  const stop = async () => {
    await server.stop();
    await watcher.close();
    removeDirectory(directory);
  };
  stops.push(stop);
  await server.start(false);
  return {
    url: spec.url,
    port,
    get pid() {
      return server.pid;
    },
    kill: (signal) => server.kill(signal),
    start: () => server.start(false),
    stop,
  };
}

/** A port that nothing listens on at this moment. */
export function freePort(): Promise<number> {
  return findFreePort();
}

/** Stops everything that was started here and removes its data. */
export async function stopServers(): Promise<void> {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  shared = undefined;
  for (const directory of directories) removeDirectory(directory);
}

async function startShared(): Promise<SharedServers> {
  const dataDir = temporaryDirectory();
  const [pgPort, natsPort] = await Promise.all([findFreePort(), findFreePort()]);
  const embedded: Embedded = await startEmbedded({
    dataDir,
    postgres: { port: pgPort },
    nats: { port: natsPort },
    binDir: testBinDir,
    log: testLog,
  });
  stops.push(() => embedded.stop());
  const { databaseUrl, natsUrl } = embedded;
  if (databaseUrl === undefined || natsUrl === undefined) throw new Error("no servers");
  return { databaseUrl, natsUrl, pgPort, natsPort };
}

function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  directories.delete(directory);
}
