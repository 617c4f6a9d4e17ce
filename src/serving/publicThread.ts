/**
 * A further thread that serves PORT, with connections of its own to the broker and to Postgres. It
 * is started and asked by serverThread.ts, from the thread in which everything else lives.
 */
import { expose } from "comlink";
import type { Readiness } from "../actors/readPorts.ts";
import type { Config } from "../config.ts";
import { createLog, errorMessage, type Log } from "../log.ts";
import { connectNats, type NatsLink } from "../nats/connection.ts";
import { Database } from "../store/database.ts";
import { PublicServer, type PublicServerState } from "./publicServer.ts";

export interface PublicThreadOptions {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** The port that the first thread listens on. */
  readonly port: number;
  readonly publisherId: string;
  readonly pending: Int32Array;
}

/** What the first thread asks for. */
export interface PublicThread {
  /**
   * Resolves when the thread answers requests.
   * @param failed is told of an error that nobody handled.
   */
  start(
    options: PublicThreadOptions,
    readiness: Readiness,
    failed: (reason: string) => void,
  ): Promise<void>;
  /** Undefined before the start. */
  state(): PublicServerState | undefined;
  /** Stops accepting, and lets requests in flight end. */
  close(): Promise<void>;
  /** Settles what is queued or in flight, and lets go of all connections. */
  finish(): Promise<void>;
}

/** Few of the requests are queries. */
const connectionsMax = 4;
const statementMs = 5_000;

let link: NatsLink | undefined;
let database: Database | undefined;
let server: PublicServer | undefined;

async function serve(options: PublicThreadOptions, readiness: Readiness, log: Log): Promise<void> {
  const { config, databaseUrl, natsUrl, port, publisherId, pending } = options;
  const name = `payload-stats ${publisherId}`;
  link = await connectNats({ url: natsUrl, name, log });
  const connection = { url: databaseUrl, applicationName: name, connectionsMax };
  database = new Database({ ...connection, deadlineMs: statementMs, log });
  server = new PublicServer({ config, publisherId, pending, log, link, database, readiness });
  server.listen(port, "further");
}

const thread: PublicThread = {
  async start(options, readiness, failed) {
    const log = createLog(
      options.config.logLevel,
      (line) => void process.stderr.write(line),
      () => Date.now(),
      { thread: options.publisherId },
    );
    // The first thread then stops the process, and this one with the others.
    process.on("uncaughtException", (error) => {
      log.error("unexpected error", { error, stack: error.stack });
      failed(errorMessage(error));
    });
    process.on("unhandledRejection", (error) => {
      log.error("unexpected rejection", { error });
      failed(errorMessage(error));
    });
    try {
      await serve(options, readiness, log);
    } catch (error) {
      // Of an error only its own message gets from one thread to another.
      throw new Error(errorMessage(error));
    }
  },
  state: () => server?.state,
  async close() {
    await server?.close();
  },
  async finish() {
    await server?.finish();
    await Promise.all([link?.close(), database?.close()]);
  },
};

expose(thread);
