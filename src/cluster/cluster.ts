/**
 * The whole system as many processes on this machine: a replicated broker of three nats-servers,
 * one Postgres, and processes of ours with one role each. They all end when this process ends,
 * however it ends.
 */
import { join, resolve } from "node:path";
import { claimDataDir, type DataDirLock } from "../embedded/dataDir.ts";
import { findNatsServer } from "../embedded/natsBinary.ts";
import { findFreePort, loopback, requireFreePort } from "../embedded/ports.ts";
import { endOrphanPostgres, ensureDatabase, preparePostgres } from "../embedded/postgres.ts";
import { ServerProcess } from "../embedded/serverProcess.ts";
import { Watcher } from "../embedded/watcher.ts";
import type { Log } from "../log.ts";
import { isHealthy, type NatsNodePorts, prepareNatsNode } from "./natsNode.ts";
import { RoleProcess, type RoleProcessSpec } from "./roleProcess.ts";

interface ClusterOptions {
  readonly dataDir: string;
  /** Where a downloaded nats-server is kept. */
  readonly binDir: string;
  readonly ingests: number;
  readonly workers: number;
  readonly projectors: number;
  readonly admins: number;
  /** WINDOW, PARTITIONS, LEASE, LOG_LEVEL, and whatever else all processes shall have. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether servers that end by themselves are started again. Our processes always are. */
  readonly restartServers: boolean;
  /** The port of the first ingest; the others follow. Without it, they are any that are free. */
  readonly firstPort?: number;
  readonly log: Log;
  /** Ends a start. */
  readonly signal?: AbortSignal;
}

const natsNodes = 3;
const natsPatienceMs = 60_000;

export class Cluster {
  private constructor(
    readonly dataDir: string,
    readonly postgres: ServerProcess,
    readonly nats: readonly ServerProcess[],
    readonly roles: readonly RoleProcess[],
    private readonly natsPorts: readonly NatsNodePorts[],
    private readonly watcher: Watcher,
    private readonly lock: DataDirLock,
  ) {}

  /**
   * Starts everything: the servers first, then our processes.
   * @throws with the last words of what did not start, or when the signal ended it; what was
   *   started is stopped again.
   */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { log, signal, restartServers } = options;
    const lock = await claimDataDir(resolve(options.dataDir));
    const watcher = new Watcher(log);
    const preparing = Cluster.#prepare(options, watcher, lock);
    const cluster = await preparing.catch(async (error: unknown) => {
      await watcher.close();
      lock.release();
      throw error;
    });
    try {
      const { postgres, nats, roles } = cluster;
      signal?.throwIfAborted();
      await Promise.all([postgres, ...nats].map((server) => server.start(restartServers)));
      signal?.throwIfAborted();
      await ensureDatabase(postgres.url);
      await cluster.natsRecovered();
      signal?.throwIfAborted();
      // The first process creates tables and streams; it is the only one that has to wait.
      for (const role of roles.slice(0, 1)) await role.start();
      signal?.throwIfAborted();
      await Promise.all(roles.slice(1).map((role) => role.start()));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  static async #prepare(
    options: ClusterOptions,
    watcher: Watcher,
    lock: DataDirLock,
  ): Promise<Cluster> {
    const { binDir, log } = options;
    const { dataDir } = lock;
    const binary = await findNatsServer(binDir, log);
    const ports = await allPorts(options);
    await endOrphanPostgres(dataDir, log);
    const spec = await preparePostgres(dataDir, ports.postgres);
    const postgres = new ServerProcess(spec, watcher, log);
    const nats: ServerProcess[] = [];
    for (let index = 0; index < natsNodes; index++) {
      const node = await prepareNatsNode(dataDir, binary, index, ports.nats, log);
      nats.push(new ServerProcess(node, watcher, log));
    }
    const env = {
      ...options.env,
      DATABASE_URL: postgres.url,
      NATS_URL: nats.map(({ url }) => url).join(","),
      STREAM_REPLICAS: String(natsNodes),
      HOST: loopback,
      ADMIN_HOST: loopback,
    };
    const roles = roleSpecs(options, dataDir, ports.roles, env).map(
      (role) => new RoleProcess(role, watcher, log),
    );
    return new Cluster(dataDir, postgres, nats, roles, ports.nats, watcher, lock);
  }

  get databaseUrl(): string {
    return this.postgres.url;
  }

  get natsUrl(): string {
    return this.nats.map(({ url }) => url).join(",");
  }

  /** The public addresses of the ingest processes. */
  get ingestUrls(): readonly string[] {
    const ingests = this.roles.filter(({ spec }) => spec.role === "ingest");
    return ingests.map(({ spec }) => `http://${loopback}:${spec.env.PORT}`);
  }

  role(name: string): RoleProcess {
    const found = this.roles.find((role) => role.name === name);
    if (found === undefined) throw new Error(`there is no process ${name}`);
    return found;
  }

  /** Resolves when every nats-server is up and has caught up with the others. */
  async natsRecovered(): Promise<void> {
    const deadline = performance.now() + natsPatienceMs;
    for (;;) {
      const healthy = await Promise.all(this.natsPorts.map(({ monitor }) => isHealthy(monitor)));
      if (healthy.every((one) => one)) return;
      if (performance.now() > deadline) throw new Error("the nats-servers have not recovered");
      await Bun.sleep(100);
    }
  }

  /** Stops everything in order: the door, then what counts, then the servers. Idempotent. */
  async stop(): Promise<void> {
    for (const name of ["ingest", "worker", "projector", "admin"]) {
      const stopping = this.roles.filter(({ spec }) => spec.role === name);
      await Promise.all(stopping.map((role) => role.stop()));
    }
    await Promise.all(this.nats.map((server) => server.stop()));
    await this.postgres.stop();
    await this.watcher.close();
    this.lock.release();
  }
}

interface AllPorts {
  readonly postgres: number;
  readonly nats: readonly NatsNodePorts[];
  /** One for each ingest and admin. */
  readonly roles: readonly number[];
}

async function allPorts(options: ClusterOptions): Promise<AllPorts> {
  const { firstPort, ingests, admins, log, signal } = options;
  const nats: NatsNodePorts[] = [];
  for (let index = 0; index < natsNodes; index++) {
    const [client, route, monitor] = [
      await findFreePort(),
      await findFreePort(),
      await findFreePort(),
    ];
    nats.push({ client, route, monitor });
  }
  const roles: number[] = [];
  for (let index = 0; index < ingests + admins; index++) {
    const port = firstPort === undefined ? await findFreePort() : firstPort + index;
    roles.push(port);
  }
  if (firstPort !== undefined) {
    const needed = { server: "the cluster", advice: "choose others with --port", log, signal };
    await Promise.all(roles.map((port) => requireFreePort(port, needed)));
  }
  return { postgres: await findFreePort(), nats, roles };
}

function roleSpecs(
  options: ClusterOptions,
  dataDir: string,
  ports: readonly number[],
  common: Readonly<Record<string, string>>,
): RoleProcessSpec[] {
  const { ingests, workers, projectors, admins } = options;
  const spec = (role: RoleProcessSpec["role"], index: number, more = {}): RoleProcessSpec => {
    const name = `${role}-${index + 1}`;
    const logFile = join(dataDir, "log", `${name}.log`);
    return { name, role, logFile, env: { ...common, DATA_DIR: join(dataDir, name), ...more } };
  };
  const port = (index: number) => String(ports[index] ?? 0);
  return [
    ...times(ingests, (i) => spec("ingest", i, { PORT: port(i), ADMIN_PORT: "0" })),
    ...times(workers, (i) => spec("worker", i)),
    ...times(projectors, (i) => spec("projector", i)),
    ...times(admins, (i) => spec("admin", i, { PORT: "0", ADMIN_PORT: port(ingests + i) })),
  ];
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
