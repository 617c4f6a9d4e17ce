/**
 * A further thread that serves PORT, with connections of its own to the broker and to Postgres. It
 * is started and asked by furtherThread.ts, from the thread in which everything else lives.
 */
import { expose } from "comlink";
import type { Readiness } from "../actors/readPorts.ts";
import type { Config } from "../config.ts";
import { inTime } from "../inTime.ts";
import { errorMessage, type Log, stderrLog } from "../log.ts";
import { connectNats, type NatsLink } from "../nats/connection.ts";
import { Database } from "../store/database.ts";
import {
  PublicServer,
  type PublicServerState,
  publicQueries,
  statementMs,
} from "./publicServer.ts";

export interface PublicThreadOptions {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** The port that the first thread listens on. */
  readonly port: number;
  readonly publisherId: string;
  readonly pending: Int32Array;
}

/** What a further thread asks the first one for. */
export interface FirstThread {
  readonly readiness: Readiness;
  /** Answers as long as the first thread does. */
  alive(): void | Promise<void>;
  /** Told of an error that nobody handled. */
  failed(reason: string): void | Promise<void>;
}

/** What the first thread asks for. */
export interface PublicThread {
  /** Resolves when the thread answers requests. */
  start(options: PublicThreadOptions, first: FirstThread): Promise<void>;
  /** Undefined before the start. */
  state(): PublicServerState | undefined;
  /** Stops accepting, and lets requests in flight end. */
  close(): Promise<void>;
  /** Settles what is queued or in flight, and lets go of all connections. */
  finish(): Promise<void>;
}

/** A first thread that does not answer for so long is not well. */
const firstMs = 5_000;
/** Of Postgres it may have to wait for a connection first, and then for the answer. */
const readinessMs = 2 * statementMs + 1_000;

let isStopping = false;
let link: NatsLink | undefined;
let database: Database | undefined;
let server: PublicServer | undefined;

async function serve(options: PublicThreadOptions, first: FirstThread, log: Log): Promise<void> {
  const { config, databaseUrl, natsUrl, port, publisherId, pending } = options;
  const name = `payload-stats ${publisherId}`;
  link = await connectNats({ url: natsUrl, name, log });
  database = new Database({ ...publicQueries, url: databaseUrl, applicationName: name, log });
  const late = () => new Error("the first thread of the process does not answer");
  const readiness = () => inTime(first.readiness(), readinessMs, late);
  const alive = () => inTime(Promise.resolve(first.alive()), firstMs, late);
  const own = { config, publisherId, pending, log, link, database };
  server = new PublicServer({ ...own, readiness, alive });
  if (isStopping) throw new Error("the process is stopping");
  server.listen(port, { isShared: true });
}

const thread: PublicThread = {
  async start(options, first) {
    const log = stderrLog(options.config.logLevel, { thread: options.publisherId });
    // The first thread then stops the process, and this one with the others.
    process.stderr.on("error", () => {});
    process.on("uncaughtException", (error) => {
      log.error("unexpected error", { error, stack: error.stack });
      void first.failed(errorMessage(error));
    });
    process.on("unhandledRejection", (error) => {
      log.error("unexpected rejection", { error });
      void first.failed(errorMessage(error));
    });
    try {
      await serve(options, first, log);
    } catch (error) {
      // Of an error only its own message gets from one thread to another.
      throw new Error(errorMessage(error));
    }
  },
  state: () => server?.state,
  async close() {
    isStopping = true;
    await server?.close();
  },
  async finish() {
    await server?.finish();
    await Promise.all([link?.close(), database?.close()]);
  },
};

expose(thread);
