/** Puts the parts of a process together, as its roles say, and takes them apart again. */
import { hostname } from "node:os";
import { systemClock } from "./actors/clock.ts";
import type { Turns } from "./actors/ports.ts";
import type { Readiness } from "./actors/readPorts.ts";
import { TimeSlices } from "./actors/timeSlices.ts";
import { SlicedTurns } from "./actors/turns.ts";
import { Worker } from "./actors/worker.ts";
import type { Config } from "./config.ts";
import { rulesOf } from "./domain/rules.ts";
import { startEmbedded } from "./embedded/embedded.ts";
import { restartWhenHung } from "./embedded/hungServer.ts";
import { isAlive } from "./embedded/processes.ts";
import { createAdminApp } from "./http/adminApp.ts";
import { baseUrl, serveHttp } from "./http/server.ts";
import type { Log } from "./log.ts";
import { NatsActorDirectory } from "./nats/actorDirectory.ts";
import { ActorServer } from "./nats/actorServer.ts";
import { connectNats, type NatsLink } from "./nats/connection.ts";
import { natsAddress } from "./nats/natsUrl.ts";
import { JetStreamStreams } from "./nats/streams.ts";
import { prepareStreams, type Topology } from "./nats/topology.ts";
import { createOperations, type Operations } from "./operations.ts";
import { createPast } from "./past.ts";
import { processMetrics } from "./processMetrics.ts";
import { readinessOf } from "./readiness.ts";
import { ReplayedHistory } from "./replay/history.ts";
import { drainMs, publicQueries, statementMs } from "./serving/publicServer.ts";
import { PublicServers } from "./serving/publicServers.ts";
import { PostgresAdminQueries } from "./store/adminQueries.ts";
import { Database, type DatabaseOptions } from "./store/database.ts";
import { PostgresHealth } from "./store/health.ts";
import { HeavyStatements } from "./store/heavyStatements.ts";
import { PostgresLeaseStore } from "./store/leases.ts";
import { openDatabase, postgresAddress } from "./store/open.ts";
import { PostgresPartitionStore } from "./store/partitions.ts";
import { prepareDatabase } from "./store/prepare.ts";
import { PostgresProjectionControl } from "./store/projectionControl.ts";
import { Projector } from "./store/projector.ts";
import { noteSessionMemory } from "./store/sessionMemories.ts";

export interface System {
  /** What is to be reached where. */
  readonly addresses: readonly (readonly [name: string, address: string])[];
  /** Stops accepting, drains, checkpoints, and stops the embedded servers. Idempotent. */
  stop(): Promise<void>;
}

const postgresWaitMs = 15_000;
/**
 * Commits and what owners read have connections of their own, so that no query can hold them up.
 */
const ownerConnectionsMax = 8;
/**
 * So have leases: a thousand owners that start would wait in front of a renewal. One for that, and
 * one for partitions that are given back, whose rows a late commit may hold.
 */
const leaseConnectionsMax = 2;
/** The deadline of a renewal as part of a lease: one that fails can be tried again in time. */
const renewalPart = 0.35;
/** So has the projector: tables that catch up or are rebuilt must leave room for queries. */
const projectorConnectionsMax = 6;
const queryConnectionsMax = 8;

/**
 * Starts everything that the configuration asks for. What was started is stopped again when a
 * later part cannot start.
 * @param failed is told when what was started cannot go on; the process should stop then.
 * @param signal ends a start that waits for a port or a server.
 * @throws with a message that says which part cannot start and what to do.
 */
export async function startSystem(
  config: Config,
  log: Log,
  failed: (error: Error) => void,
  signal?: AbortSignal,
): Promise<System> {
  const stops: (() => Promise<void>)[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= stopAll(stops, log);
    return stopped;
  };
  try {
    const onStop = (part: () => Promise<void>) => stops.push(part);
    return { addresses: await startParts(config, log, failed, onStop, signal), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** In reverse order; a part that cannot stop does not keep the others from it. */
async function stopAll(stops: readonly (() => Promise<void>)[], log: Log): Promise<void> {
  for (const stop of stops.toReversed()) {
    await stop().catch((error) => log.error("a part could not stop cleanly", { error }));
  }
}

async function startParts(
  config: Config,
  log: Log,
  failed: (error: Error) => void,
  onStop: (stop: () => Promise<void>) => void,
  signal: AbortSignal | undefined,
): Promise<System["addresses"]> {
  const processId = `${hostname()}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const embedded = await startEmbedded({
    dataDir: config.dataDir,
    postgres: config.databaseUrl === undefined ? { port: config.embeddedPgPort } : undefined,
    nats: config.natsUrl === undefined ? { port: config.embeddedNatsPort } : undefined,
    log,
    signal,
  });
  onStop(() => embedded.stop());
  const databaseUrl = embedded.postgres?.url ?? config.databaseUrl ?? "";
  const natsUrl = embedded.nats?.url ?? config.natsUrl ?? "";
  const start = { config, log, processId, onStop, signal };
  const link = await openBroker(start, natsUrl);
  signal?.throwIfAborted();
  // A first start fixes WINDOW, so the broker has to be there. What the database refuses must not
  // have changed anything at the broker, so the streams come after it.
  const options = databaseOptions(databaseUrl, processId, log);
  const database = await openStore(start, options);
  signal?.throwIfAborted();
  await prepareStreams(link, topologyOf(config), log);
  const here = { directory: config.dataDir, clock: systemClock, log };
  if (embedded.nats) onStop(restartWhenHung(embedded.nats, () => link.answers(), here));
  signal?.throwIfAborted();
  const openPool = (connectionsMax: number, more: Partial<DatabaseOptions> = {}) => {
    const pool = new Database({ ...options, connectionsMax, ...more });
    onStop(() => pool.close());
    return pool;
  };
  const openPublic = () => openPool(publicQueries.connectionsMax, publicQueries);
  const ownerDatabase = openPool(ownerConnectionsMax);
  const base = { ...start, database, ownerDatabase, link };
  const publicServers = config.roles.has("ingest")
    ? new PublicServers({ ...base, database: openPublic(), databaseUrl, natsUrl, failed })
    : undefined;
  if (publicServers) onStop(() => publicServers.finish());
  const devicesWait = () => (publicServers?.pending ?? 0) > 0;
  // Only the embedded Postgres is known to work on the cores that answer devices.
  const sharesCores = config.databaseUrl === undefined;
  const heavy = new HeavyStatements(() => sharesCores && devicesWait());
  const turns = new SlicedTurns(systemClock, devicesWait);
  const parts = { ...base, heavy, turns };
  if (config.roles.has("projector"))
    startProjector(parts, openPool(projectorConnectionsMax, { isRepeatable: true }));
  const worker = config.roles.has("worker")
    ? startWorker(parts, openPool(leaseConnectionsMax, leaseDeadlines(config)))
    : undefined;
  const operations = createOperations(database, link, topologyOf(config), log);
  const { ledger } = operations;
  if (config.roles.has("admin") || config.roles.has("ingest")) {
    ledger.start();
    onStop(async () => ledger.stop());
  }
  const health = new PostgresHealth(database, config.windowMs);
  const readiness = readinessOf({ config, worker, publicServers, link, ledger, health });
  const metrics = () => processMetrics({ readiness, worker, publicServers });
  // The admin listener goes last: who finds it ready can reach the public one.
  return [
    ...(publicServers ? await startPublic(publicServers, parts, readiness) : []),
    ...(config.roles.has("admin") ? startAdmin(parts, readiness, metrics, operations) : []),
    ["postgres", postgresAddress(databaseUrl)],
    ["nats", natsAddress(natsUrl)],
  ];
}

/** What every step of a start needs. */
interface Start {
  readonly config: Config;
  readonly log: Log;
  readonly processId: string;
  onStop(stop: () => Promise<void>): void;
  readonly signal: AbortSignal | undefined;
}

/** What most parts need. */
interface Parts extends Start {
  /** For queries. */
  readonly database: Database;
  /** For what owners read and commit. */
  readonly ownerDatabase: Database;
  readonly heavy: HeavyStatements;
  readonly turns: Turns;
  readonly link: NatsLink;
}

async function openStore(start: Start, options: DatabaseOptions): Promise<Database> {
  const { config, processId, onStop, signal } = start;
  const database = await openDatabase(options, postgresWaitMs, signal);
  onStop(() => database.close());
  await prepareDatabase(database, config);
  if (config.roles.has("worker")) await noteSessionMemory(database, processId, config);
  return database;
}

function databaseOptions(url: string, processId: string, log: Log) {
  return {
    url,
    applicationName: `payload-stats ${processId}`,
    connectionsMax: queryConnectionsMax,
    deadlineMs: statementMs,
    log,
  };
}

/** Postgres itself ends a renewal that was given up: the next one would wait for its locks. */
function leaseDeadlines({ leaseMs }: Config) {
  const deadlineMs = Math.ceil(Math.min(statementMs, leaseMs * renewalPart));
  return { deadlineMs, statementTimeoutMs: deadlineMs };
}

async function openBroker(start: Start, url: string): Promise<NatsLink> {
  const { log, processId, onStop, signal } = start;
  const link = await connectNats({ url, name: `payload-stats ${processId}`, log, signal });
  onStop(() => link.close());
  return link;
}

function topologyOf({ partitions, streamReplicas }: Config): Topology {
  return { partitions, replicas: streamReplicas };
}

function startProjector({ config, log, processId, heavy, onStop }: Parts, pool: Database): void {
  const { leaseMs } = config;
  const projector = new Projector(pool, { workerId: processId, log, leaseMs, heavy });
  projector.start();
  onStop(() => projector.stop());
}

function startWorker(parts: Parts, leaseDatabase: Database): Worker {
  const { config, log, processId, ownerDatabase, heavy, turns, link, onStop } = parts;
  const worker = new Worker({
    identity: { id: processId, host: hostname(), pid: process.pid },
    leases: new PostgresLeaseStore(leaseDatabase),
    leaseMs: config.leaseMs,
    owner: {
      streams: new JetStreamStreams(link, log),
      store: new PostgresPartitionStore(ownerDatabase, statementMs, turns, heavy),
      clock: systemClock,
      log,
      rules: rulesOf(config),
      rawRetentionMs: config.rawRetentionMs,
      turns,
    },
    serveActors: new ActorServer(link, log, new TimeSlices(systemClock)).serveActors,
    isDead: (pid) => !isAlive(pid),
  });
  worker.start();
  onStop(() => worker.stop());
  return worker;
}

async function startPublic(
  servers: PublicServers,
  parts: Parts,
  readiness: Readiness,
): Promise<[string, string][]> {
  parts.onStop(() => servers.close());
  const base = baseUrl(parts.config.host, await servers.start(readiness));
  return [
    ["ingest", `${base}/stats`],
    ["swagger", `${base}/swagger`],
  ];
}

function startAdmin(
  { config, log, database, link, onStop }: Parts,
  readiness: Readiness,
  metrics: () => Promise<string>,
  operations: Operations,
): [string, string][] {
  const actors = new NatsActorDirectory(link, config.partitions);
  const app = createAdminApp({
    ...operations,
    log,
    readiness,
    adminToken: config.adminToken,
    partitions: config.partitions,
    windowMs: config.windowMs,
    actors,
    history: new ReplayedHistory(createPast(database, link, log, rulesOf(config)), actors),
    queries: new PostgresAdminQueries(database),
    projections: new PostgresProjectionControl(database),
    metrics,
  });
  const server = serveHttp({
    app,
    host: config.adminHost,
    port: config.adminPort,
    settings: { host: "ADMIN_HOST", port: "ADMIN_PORT" },
    log,
  });
  onStop(() => server.stop(drainMs));
  return [
    ["admin", `${baseUrl(config.adminHost, server.port)}/admin`],
    ["admin swagger", `${baseUrl(config.adminHost, server.port)}/swagger`],
  ];
}
