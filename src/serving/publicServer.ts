/**
 * The public application on PORT with all that it takes to append payloads, in one thread. A
 * process has one of these in its first thread, and one in each further one (publicServers.ts).
 */
import type { AnyElysia } from "elysia";
import type { PartitionReason, Readiness } from "../actors/readPorts.ts";
import type { Config } from "../config.ts";
import { createIngest, type IngestHandlers } from "../http/ingest.ts";
import { directPosts } from "../http/ingestController.ts";
import { createPublicApp } from "../http/publicApp.ts";
import { type HttpServer, serveHttp } from "../http/server.ts";
import type { Log } from "../log.ts";
import type { NatsLink } from "../nats/connection.ts";
import { Publisher } from "../nats/publisher.ts";
import type { Database } from "../store/database.ts";
import { PostgresStatsQueries } from "../store/queries.ts";

export interface PublicServerParts {
  readonly config: Config;
  /** Unique to this thread and this start of its process; letters, digits and dashes. */
  readonly publisherId: string;
  /** Where it counts the payloads that are queued or in flight; threads may share the memory. */
  readonly pending: Int32Array;
  readonly log: Log;
  readonly link: NatsLink;
  /** For queries. */
  readonly database: Database;
  readonly readiness: Readiness;
  /** Rejects when the thread in which all other parts live does not answer. */
  readonly alive?: () => Promise<void>;
}

/** What a server has counted and seen since it began, in a form that threads can exchange. */
export interface PublicServerState {
  /** Payloads answered 202. */
  readonly accepted: number;
  /** Refusals by reason. */
  readonly refused: ReadonlyMap<string, number>;
  /** Partitions whose stream has no room, as far as it knows. */
  readonly full: readonly PartitionReason[];
  /** Partitions whose stream stores nothing though the broker is connected, as far as it knows. */
  readonly unanswered: readonly number[];
  /** Whether the broker is connected. */
  readonly connected: boolean;
}

/** What gives the port, for messages. */
export const portSettings = { host: "HOST", port: "PORT" };
/** How long requests in flight may take to end after a stop. */
export const drainMs = 2_000;
/** After `close` nobody waits for the answers to payloads that are still queued. */
const settleMs = 1_500;
/** How long a query may take. */
export const statementMs = 5_000;
/**
 * The connections of a thread, of whose requests few are queries; apart, so that no number of them
 * keeps readiness and admin waiting. Postgres itself ends one a moment before it is given up here:
 * it would run on for nobody.
 */
export const publicQueries = {
  connectionsMax: 4,
  deadlineMs: statementMs,
  statementTimeoutMs: 4_500,
};

export class PublicServer {
  readonly #publisher: Publisher;
  readonly #ingest: IngestHandlers;
  readonly #app: AnyElysia;
  #server: HttpServer | undefined;
  #accepted = 0;
  readonly #refused = new Map<string, number>();

  constructor(private readonly parts: PublicServerParts) {
    const { config, log, link, database, readiness, alive, pending } = parts;
    const { partitions, windowMs } = config;
    this.#publisher = new Publisher(link, { partitions, publisher: parts.publisherId, pending });
    const counters = {
      accepted: (payloads: number) => {
        this.#accepted += payloads;
      },
      refused: (reason: string, count: number) => {
        this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + count);
      },
    };
    this.#ingest = createIngest({ payloadLog: this.#publisher, counters, log });
    this.#app = createPublicApp({
      log,
      readiness,
      ...(alive && { alive }),
      ingest: this.#ingest,
      queries: new PostgresStatsQueries(database, windowMs),
      windowMs,
    });
  }

  /**
   * Begins to answer requests.
   * @returns the port, also where 0 asked for one that is free.
   * @throws when the port cannot be listened on.
   */
  listen(port: number, { isShared }: { readonly isShared: boolean }): number {
    this.#server = serveHttp({
      app: this.#app,
      host: this.parts.config.host,
      port,
      isShared,
      settings: portSettings,
      log: this.parts.log,
      directPosts: directPosts(this.#ingest),
    });
    return this.#server.port;
  }

  get state(): PublicServerState {
    const { full, unanswered } = this.#publisher;
    const { connected } = this.parts.link;
    return { accepted: this.#accepted, refused: this.#refused, full, unanswered, connected };
  }

  /** Stops accepting, and lets requests in flight end. */
  async close(): Promise<void> {
    await this.#server?.stop(drainMs);
  }

  /** Settles what is queued or in flight, or gives it up after a moment. */
  finish(): Promise<void> {
    return this.#publisher.stop(settleMs);
  }
}
