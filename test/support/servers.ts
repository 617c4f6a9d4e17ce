/** Real servers for tests: one Postgres for all files of a process, and nats-servers of tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { isObject } from "../../src/domain/json.ts";
import { prepareNats } from "../../src/embedded/natsServer.ts";
import { findFreePort } from "../../src/embedded/ports.ts";
import { ServerProcess } from "../../src/embedded/serverProcess.ts";
import { Watcher } from "../../src/embedded/watcher.ts";
import { createLog } from "../../src/log.ts";

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
const databases = new Set<string>();
let databasesMade = 0;
/** Referred to for as long as this process lives, since it ends when its input does. */
let holder: Bun.Subprocess<"pipe", "pipe", "inherit"> | undefined;
let shared: Promise<SharedPostgres> | undefined;

interface SharedPostgres {
  readonly url: string;
  /** A cluster as initdb makes it, on which nothing runs. */
  readonly cluster: string;
}

/** A new empty directory, removed when the tests end. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "payload-stats-"));
  directories.add(directory);
  return directory;
}

/** A new data directory with a new Postgres cluster in it, which is copied: initdb takes seconds. */
export async function dataDirectory(): Promise<string> {
  const { cluster } = await sharedPostgres();
  const directory = temporaryDirectory();
  copyCluster(cluster, join(directory, "postgres"));
  return directory;
}

/** With its owner, since Postgres does not run as root. */
export function copyCluster(from: string, to: string): void {
  if (!Bun.spawnSync(["cp", "-a", from, to]).success) throw new Error(`cannot copy ${from}`);
}

/** Creates an empty database on the shared Postgres and returns its URL. */
export async function freshDatabase(): Promise<string> {
  databasesMade += 1;
  const name = `test_${databasesMade}`;
  await onPostgres((sql) => sql`create database ${sql(name)}`);
  databases.add(name);
  const url = new URL((await sharedPostgres()).url);
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

/** Stops the servers of a file's tests and removes its data. */
export async function stopServers(): Promise<void> {
  await Promise.all(stops.splice(0).map((stop) => stop()));
  for (const directory of directories) removeDirectory(directory);
  if (databases.size > 0) await onPostgres(dropDatabases);
}

async function dropDatabases(sql: postgres.Sql): Promise<void> {
  for (const name of databases) await sql`drop database if exists ${sql(name)} with (force)`;
  databases.clear();
}

/**
 * The Postgres of this process's tests. It is started at the first call, and once more when it has
 * ended: the runner may end what a test has started that takes too long.
 */
function sharedPostgres(): Promise<SharedPostgres> {
  const hasEnded = holder !== undefined && (holder.exitCode ?? holder.signalCode) !== null;
  if (hasEnded) holder = undefined;
  if (shared === undefined || hasEnded) shared = holdPostgres();
  return shared;
}

async function holdPostgres(): Promise<SharedPostgres> {
  const script = join(import.meta.dir, "postgresHolder.ts");
  const port = await findFreePort();
  holder = Bun.spawn([process.execPath, script, String(port)], {
    ...{ stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  });
  holder.unref();
  const { value } = await holder.stdout.getReader().read();
  if (value === undefined) throw new Error("no Postgres for the tests: its holder has ended");
  const said: unknown = JSON.parse(new TextDecoder().decode(value));
  if (isObject(said) && typeof said.url === "string") {
    return { url: said.url, cluster: String(said.cluster) };
  }
  throw new Error(`no Postgres for the tests: ${isObject(said) ? said.error : said}`);
}

async function onPostgres(work: (sql: postgres.Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres((await sharedPostgres()).url, { max: 1 });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}

function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  directories.delete(directory);
}
