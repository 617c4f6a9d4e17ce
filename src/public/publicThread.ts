/**
 * A further thread that serves PORT, with connections of its own to the broker and to Postgres. It
 * is started and asked by publicServers.ts, in whose thread everything else of the process lives.
 */
import { expose } from "comlink";
import type { Readiness } from "../actors/readPorts.ts";
import type { Config } from "../config.ts";
import { createLog, errorMessage } from "../log.ts";
import { connectNats } from "../nats/connection.ts";
import { Database } from "../store/database.ts";
import { PublicServer, type PublicServerState } from "./publicServer.ts";

export interface PublicThreadOptions {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** The port that the first thread listens on. */
  readonly port: number;
  /** Unique to this thread and this start of its process. */
  readonly id: string;
  readonly pending: Int32Array;
}

/** What the first thread asks for. */
export interface PublicThreadApi {
  /** Resolves when the thread answers requests. */
  start(options: PublicThreadOptions, readiness: Readiness): Promise<void>;
  /** Undefined before the start. */
  state(): PublicServerState | undefined;
  /** Stops accepting, and lets requests in flight end. */
  close(): Promise<void>;
  /** Settles what is queued or in flight, and lets go of all connections. */
  finish(): Promise<void>;
}

/** Only a few of these threads' requests are queries. */
const connectionsMax = 4;
const statementMs = 5_000;

let parts: Awaited<ReturnType<typeof open>> | undefined;

async function open(options: PublicThreadOptions, readiness: Readiness) {
  const { config, databaseUrl, natsUrl, port, id: publisher, pending } = options;
  const log = createLog(
    config.logLevel,
    (line) => void process.stderr.write(line),
    () => Date.now(),
  );
  // The end of a thread ends its process, and a new one starts clean.
  process.on("uncaughtException", (error) => {
    log.error("unexpected error", { error, stack: error.stack });
    process.exit(1);
  });
  process.on("unhandledRejection", (error) => {
    log.error("unexpected rejection", { error });
    process.exit(1);
  });
  const name = `payload-stats ${publisher}`;
  const link = await connectNats({ url: natsUrl, name, log });
  const connection = { url: databaseUrl, applicationName: name, connectionsMax };
  const database = new Database({ ...connection, deadlineMs: statementMs, log });
  const own = { publisher, pending, log, link, database };
  const server = new PublicServer({ config, port, sharing: "further", ...own, readiness });
  return { link, database, server };
}

const api: PublicThreadApi = {
  async start(options, readiness) {
    try {
      parts = await open(options, readiness);
    } catch (error) {
      // Of an error only its own message gets from one thread to another.
      throw new Error(errorMessage(error));
    }
  },
  state: () => parts?.server.state,
  async close() {
    await parts?.server.close();
  },
  async finish() {
    await parts?.server.finish();
    await Promise.all([parts?.link.close(), parts?.database.close()]);
  },
};

expose(api);
