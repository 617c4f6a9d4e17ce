/**
 * A pool of connections to Postgres in which every statement has a deadline.
 *
 * Whatever must be atomic is one statement: there are no transactions over several round trips,
 * because a backend that dies in the middle of one can leave its second half to run on its own.
 * A statement that misses its deadline has an unknown outcome. The pool it ran in is replaced by
 * a new one, since its connections may be dead without saying so.
 */
import postgres from "postgres";
import type { Log } from "../log.ts";

/** `int8` is read as bigint, `timestamptz` as Date; `numeric` is cast to text by who needs it. */
export type Sql = postgres.Sql<{ bigint: bigint }>;

export interface DatabaseOptions {
  readonly url: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly connectionsMax: number;
  /** For statements that do not name a deadline of their own. */
  readonly deadlineMs: number;
  readonly log: Log;
}

/** The statement was sent, and whether it took effect is not known. */
export class DeadlineExceeded extends Error {
  constructor(readonly deadlineMs: number) {
    super(`Postgres did not answer within ${deadlineMs} ms`);
  }
}

const connectTimeoutSeconds = 5;
/** How long statements of a replaced pool may go on: they are others' and may yet succeed. */
const retiredPoolSeconds = 5;
/** Nothing here takes this long: it ends statements in the server whose client has gone away. */
const statementTimeoutMs = 10 * 60 * 1_000;

type Callback = () => void;

export class Database {
  readonly #options: DatabaseOptions;
  #pool: Sql;
  /** Notifications have a connection of their own, made when the first is asked for. */
  #listener: Sql | undefined;
  readonly #channels = new Map<string, Set<Callback>>();
  #closed: Promise<void> | undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#pool = this.#connect(options.connectionsMax);
  }

  /**
   * Runs one statement.
   * @throws DeadlineExceeded, or the error of Postgres or of the connection.
   */
  async run<Result>(
    statement: (sql: Sql) => PromiseLike<Result>,
    deadlineMs = this.#options.deadlineMs,
  ): Promise<Result> {
    const pool = this.#pool;
    const { promise: expired, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      this.#retire(pool);
      reject(new DeadlineExceeded(deadlineMs));
    }, deadlineMs);
    const answered = (async () => await statement(pool))();
    // An answer that comes after its deadline interests nobody, and must not crash the process.
    answered.catch(() => {});
    try {
      return await Promise.race([answered, expired]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Calls back after each notification on a channel, and after each reconnect, since
   * notifications may have been missed meanwhile. Notifications are hints: whoever relies on them
   * also polls. Returns how to stop it.
   */
  listen(channel: string, callback: Callback): () => void {
    const callbacks = this.#channels.get(channel);
    if (callbacks !== undefined) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    }
    const first = new Set([callback]);
    this.#channels.set(channel, first);
    const tellAll = () => {
      for (const each of first) each();
    };
    this.#listener ??= this.#connect(1);
    // When it fails, the driver tries again by itself until the listener is closed.
    this.#listener.listen(channel, tellAll, tellAll).catch((error) => {
      this.#options.log.debug("listening failed and is tried again", { channel, error });
    });
    return () => first.delete(callback);
  }

  /** Idempotent. Statements under way get a moment to finish. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.all([
      this.#pool.end({ timeout: retiredPoolSeconds }),
      this.#listener?.end({ timeout: 0 }),
    ]);
  }

  #retire(pool: Sql): void {
    if (pool !== this.#pool || this.#closed !== undefined) return;
    this.#options.log.warn("Postgres is silent: the connections are made anew");
    this.#pool = this.#connect(this.#options.connectionsMax);
    pool.end({ timeout: retiredPoolSeconds }).catch(() => {});
  }

  #connect(connectionsMax: number): Sql {
    const options = {
      max: connectionsMax,
      // One statement at a time on a connection, so that a slow one holds up no other. The option
      // is missing in the driver's types.
      max_pipeline: 0,
      connect_timeout: connectTimeoutSeconds,
      // Short, since callers wait between their own attempts.
      backoff: () => 0.05 + Math.random() * 0.1,
      // Arrays are passed as text with a cast, so their types need no look-up at connect.
      fetch_types: false,
      types: { bigint: postgres.BigInt },
      onnotice: (notice: postgres.Notice) => {
        this.#options.log.debug("notice from Postgres", { ...notice });
      },
      connection: {
        application_name: this.#options.applicationName,
        // Dates are read as UTC in ISO format, whatever the server's settings are.
        TimeZone: "UTC",
        DateStyle: "ISO",
        statement_timeout: statementTimeoutMs,
      },
    };
    return postgres<{ bigint: postgres.PostgresType<bigint> }>(this.#options.url, options);
  }
}
