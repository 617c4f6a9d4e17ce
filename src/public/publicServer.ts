/**
 * The public application on PORT with all that it takes to append payloads, in one thread. A process
 * has one of these in its first thread, and one in each further thread (see publicServers.ts).
 */
import type { Readiness } from "../actors/readPorts.ts";
import type { Config } from "../config.ts";
import { createIngest } from "../http/ingest.ts";
import { createPublicApp } from "../http/publicApp.ts";
import { createQueryController } from "../http/queries.ts";
import { type HttpServer, type PortSharing, serveHttp } from "../http/server.ts";
import type { Log } from "../log.ts";
import type { NatsLink } from "../nats/connection.ts";
import { type FullLane, Publisher } from "../nats/publisher.ts";
import type { Database } from "../store/database.ts";
import { PostgresStatsQueries } from "../store/queries.ts";

export interface PublicServerOptions {
  readonly config: Config;
  /** 0: one that is free. */
  readonly port: number;
  readonly sharing: PortSharing;
  /** Unique to this thread and this start of its process; letters, digits and dashes. */
  readonly publisher: string;
  /** Where it counts the payloads that are queued or in flight; threads may share the memory. */
  readonly pending: Int32Array;
  readonly log: Log;
  readonly link: NatsLink;
  readonly database: Database;
  readonly readiness: Readiness;
}

/** What a server has counted and seen since it began, in a form that threads can exchange. */
export interface PublicServerState {
  /** Payloads answered 202. */
  readonly accepted: number;
  /** Refusals by reason. */
  readonly refused: ReadonlyMap<string, number>;
  /** Partitions whose stream has no room, as far as it knows. */
  readonly full: readonly FullLane[];
  /** Whether the broker is connected. */
  readonly connected: boolean;
}

const drainMs = 2_000;

export class PublicServer {
  readonly #link: NatsLink;
  readonly #publisher: Publisher;
  readonly #server: HttpServer;
  #accepted = 0;
  readonly #refused = new Map<string, number>();

  /** @throws when the port cannot be listened on. */
  constructor(options: PublicServerOptions) {
    const { config, log, link, database, readiness, publisher, pending } = options;
    const { partitions, windowMs } = config;
    this.#link = link;
    this.#publisher = new Publisher(link, { partitions, publisher, pending });
    const counters = {
      accepted: (payloads: number) => {
        this.#accepted += payloads;
      },
      refused: (reason: string, count: number) => {
        this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + count);
      },
    };
    const ingest = createIngest({ payloadLog: this.#publisher, counters, log });
    const queries = new PostgresStatsQueries(database, windowMs);
    this.#server = serveHttp({
      app: createPublicApp({
        log,
        readiness,
        ingest,
        controllers: [createQueryController({ queries, windowMs, log })],
      }),
      host: config.host,
      port: options.port,
      sharing: options.sharing,
      settings: { host: "HOST", port: "PORT" },
      log,
      directPosts: { "/stats": ingest.single, "/stats/batch": ingest.batch },
    });
  }

  get port(): number {
    return this.#server.port;
  }

  get state(): PublicServerState {
    const { full } = this.#publisher;
    const { connected } = this.#link;
    return { accepted: this.#accepted, refused: this.#refused, full, connected };
  }

  /** Stops accepting, and lets requests in flight end. */
  close(): Promise<void> {
    return this.#server.stop(drainMs);
  }

  /** Settles what is queued or in flight. */
  finish(): Promise<void> {
    return this.#publisher.stop();
  }
}
