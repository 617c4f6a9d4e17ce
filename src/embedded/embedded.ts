/** The servers that we start ourselves when no URL of one is given. */
import { join, resolve } from "node:path";
import type { Log } from "../log.ts";
import { claimDataDir } from "./dataDir.ts";
import { endOrphanNats, natsDir, prepareNats } from "./natsServer.ts";
import { requireFreePort } from "./ports.ts";
import { endOrphanPostgres, ensureDatabase, preparePostgres } from "./postgres.ts";
import { ServerProcess } from "./serverProcess.ts";
import { Watcher } from "./watcher.ts";

export interface EmbeddedOptions {
  readonly dataDir: string;
  /** Undefined: no embedded Postgres. */
  readonly postgres?: { readonly port: number } | undefined;
  /** Undefined: no embedded nats-server. */
  readonly nats?: { readonly port: number } | undefined;
  /** Where a downloaded nats-server is kept; `bin` below the data directory unless given. */
  readonly binDir?: string | undefined;
  readonly log: Log;
  /** Ends a start that waits for a port. */
  readonly signal?: AbortSignal | undefined;
}

export interface Embedded {
  readonly postgres: ServerProcess | undefined;
  readonly nats: ServerProcess | undefined;
  /** Stops the servers cleanly and gives the data directory back. Idempotent; takes under 5 s. */
  stop(): Promise<void>;
}

/**
 * Starts the servers asked for, on data kept below `dataDir`. They are restarted when they crash
 * and end when this process ends, however it ends.
 * @throws EmbeddedError when the directory, a port or a server cannot be had.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { postgres, nats, log } = options;
  if (postgres === undefined && nats === undefined) {
    return { postgres: undefined, nats: undefined, stop: async () => {} };
  }
  const lock = await claimDataDir(resolve(options.dataDir));
  const { dataDir } = lock;
  const watcher = new Watcher(log);
  const started: ServerProcess[] = [];
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()));
    await watcher.close();
    lock.release();
  };
  const keep = (server: ServerProcess) => {
    started.push(server);
    return server;
  };
  const failures: unknown[] = [];
  const failing = new AbortController();
  const signal = AbortSignal.any([failing.signal, ...(options.signal ? [options.signal] : [])]);
  /** The other one then waits for its port no longer. */
  const failed = (error: unknown) => {
    failures.push(error);
    failing.abort();
    return undefined;
  };
  try {
    const each = { ...options, signal };
    const [database, broker] = await Promise.all([
      postgres && startPostgres(dataDir, postgres.port, watcher, keep, each).catch(failed),
      nats && startNats(dataDir, nats.port, watcher, keep, each).catch(failed),
    ]);
    const [first, second] = failures;
    if (second !== undefined) log.error("a second embedded server failed", { error: second });
    if (first !== undefined) throw first;
    let stopped: Promise<void> | undefined;
    return {
      postgres: database,
      nats: broker,
      stop: () => {
        stopped ??= stop();
        return stopped;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startPostgres(
  dataDir: string,
  port: number,
  watcher: Watcher,
  keep: (server: ServerProcess) => ServerProcess,
  { log, signal }: EmbeddedOptions,
): Promise<ServerProcess> {
  await endOrphanPostgres(dataDir, log);
  await requireFreePort(port, {
    server: "the embedded Postgres",
    advice: "set EMBEDDED_PG_PORT to a free port, or DATABASE_URL to use a server of your own",
    log,
    signal,
  });
  const spec = await preparePostgres(dataDir, port);
  const server = keep(new ServerProcess(spec, watcher, log));
  await server.start();
  await ensureDatabase(server.url);
  log.info("the embedded Postgres is ready", { url: server.url, pid: server.pid });
  return server;
}

async function startNats(
  dataDir: string,
  port: number,
  watcher: Watcher,
  keep: (server: ServerProcess) => ServerProcess,
  { binDir, log, signal }: EmbeddedOptions,
): Promise<ServerProcess> {
  await endOrphanNats(natsDir(dataDir), log);
  await requireFreePort(port, {
    server: "the embedded nats-server",
    advice: "set EMBEDDED_NATS_PORT to a free port, or NATS_URL to use a server of your own",
    log,
    signal,
  });
  const spec = await prepareNats(dataDir, binDir ?? join(dataDir, "bin"), port, log);
  const server = keep(new ServerProcess(spec, watcher, log));
  await server.start();
  log.info("the embedded nats-server is ready", { url: server.url, pid: server.pid });
  return server;
}
