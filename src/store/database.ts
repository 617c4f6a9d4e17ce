/**
 * A pool of connections to Postgres in which every statement has a deadline.
 *
 * Whatever must be atomic is one statement: there are no transactions over several round trips,
 * because a backend that dies in the middle of one can leave its second half to run on its own.
 * A statement that misses its deadline, or loses its connection, has an unknown outcome. Then the
 * pool is replaced by a new one: its other connections may be dead without saying so, and one
 * that closes at the wrong moment never sends anything again (its unsent bytes stay buffered and
 * the driver waits for a flush that was cancelled). Its other statements keep their deadlines: the
 * building of an index may go on for minutes when a short question was not answered. Where the
 * network is gone, they find that out at their deadlines, and keep their places until then.
 *
 * A new pool is not replaced while the driver may still be connecting: where that takes longer than
 * a deadline, each statement would throw away the connection that the next one could have used.
 */
import postgres from "postgres";
import { inTime } from "../inTime.ts";
import { errorMessage, type Log } from "../log.ts";
import { Semaphore } from "../semaphore.ts";
import { Listener } from "./listener.ts";

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
  /**
   * True when what is written may be lost if the server itself crashes within the next moment: the
   * last commits are gone then, and nothing but them. Commits need not wait for the disk, and
   * closing the pool does not wait for statements under way.
   */
  readonly isRepeatable?: boolean;
  /** When the server itself ends a statement, which its client has given up by then. */
  readonly statementTimeoutMs?: number;
}

/** The statement was sent, and whether it took effect is not known. */
export class DeadlineExceeded extends Error {
  constructor(readonly deadlineMs: number) {
    super(`Postgres did not answer within ${deadlineMs} ms`);
  }
}

const connectTimeoutSeconds = 5;
/** How long what is under way may go on when a pool is closed. */
const closingSeconds = 5;
/** Nothing here takes this long: it ends statements in the server whose client has gone away. */
const longestStatementMs = 10 * 60 * 1_000;
/**
 * So often the server looks whether the client of a statement under way has gone away, as it does
 * when a pool is replaced. Each new attempt would leave one more that waits for the same lock.
 */
const clientCheckMs = 2_000;

/**
 * An idle session whose client has vanished, with its host or with a flow that a firewall forgot,
 * ends after a minute, and not after two hours as usual: it counts among `max_connections`.
 */
const keepAlive = {
  tcp_keepalives_idle: 30,
  tcp_keepalives_interval: 10,
  tcp_keepalives_count: 3,
} as const;

interface Pool {
  readonly sql: Sql;
  readonly openedAtMs: number;
  /** Postgres has answered on one of its connections. */
  isConnected: boolean;
  /** Statements that have neither an answer nor missed their deadline. */
  running: number;
}

/** The statement was not sent: all connections were busy for too long, or too many waited. */
export class NoConnectionFree extends Error {
  constructor() {
    super("all connections to Postgres are busy");
  }
}

/** Postgres answers, and takes no writes. */
export class TakesNoWrites extends Error {
  constructor(options?: ErrorOptions) {
    super(
      "Postgres takes no writes: it is a standby, or default_transaction_read_only is on; see " +
        "DATABASE_URL",
      options,
    );
  }
}

/** Beyond this, statements are refused at once (invariant I11). */
const statementsWaitingMax = 4_096;

export class Database {
  readonly #listener: Listener;
  readonly #connections: Semaphore;
  #pool: Pool;
  /** Pools that were replaced, and have statements under way: these may yet succeed. */
  readonly #retired = new Set<Pool>();
  #closed: Promise<void> | undefined;

  constructor(private readonly options: DatabaseOptions) {
    this.#connections = new Semaphore(options.connectionsMax, statementsWaitingMax);
    this.#pool = this.#open();
    // Notifications have a connection of their own.
    this.#listener = new Listener((handlers) => connect(options, 1, handlers), options.log);
  }

  /**
   * Runs one statement, as soon as one of the connections is free.
   * @throws NoConnectionFree, DeadlineExceeded, or the error of Postgres or of the connection.
   */
  async run<Result>(
    statement: (sql: Sql) => PromiseLike<Result>,
    deadlineMs = this.options.deadlineMs,
  ): Promise<Result> {
    if (!(await this.#connections.acquire(deadlineMs))) throw new NoConnectionFree();
    try {
      return await this.#runNow(statement, deadlineMs);
    } finally {
      this.#connections.release();
    }
  }

  /** The deadline begins here, where a connection is free: a statement that waited is not late. */
  async #runNow<Result>(
    statement: (sql: Sql) => PromiseLike<Result>,
    deadlineMs: number,
  ): Promise<Result> {
    const pool = this.#pool;
    const answered = (async () => await statement(pool.sql))();
    pool.running++;
    try {
      return await inTime(answered, deadlineMs, () => new DeadlineExceeded(deadlineMs));
    } catch (error) {
      const mayConnect = error instanceof DeadlineExceeded && isConnecting(pool);
      if (!isAnswer(error) && !mayConnect) this.#replace(pool, error);
      throw error;
    } finally {
      pool.running--;
      if (pool.running === 0 && this.#retired.delete(pool)) this.#end(pool).catch(() => {});
    }
  }

  /**
   * Calls back after each notification on a channel, and after each reconnect, since
   * notifications may have been missed meanwhile. Notifications are hints: whoever relies on them
   * also polls. Returns how to stop it.
   */
  listen(channel: string, callback: () => void): () => void {
    return this.#listener.listen(channel, callback);
  }

  /**
   * Idempotent. Statements under way get a moment to finish, unless they are repeatable, or none
   * was ever sent.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const pools = [this.#pool, ...this.#retired];
    await Promise.all([...pools.map((pool) => this.#end(pool)), this.#listener.stop()]);
  }

  #open(): Pool {
    const pool: Pool = {
      sql: connect(this.options, this.options.connectionsMax, {
        onparameter: () => {
          pool.isConnected = true;
        },
      }),
      openedAtMs: performance.now(),
      isConnected: false,
      running: 0,
    };
    return pool;
  }

  #end({ sql, isConnected }: Pool): Promise<void> {
    const waits = isConnected && this.options.isRepeatable !== true;
    const timeout = waits ? closingSeconds : 0;
    return sql.end({ timeout });
  }

  #replace(pool: Pool, error: unknown): void {
    if (pool !== this.#pool || this.#closed !== undefined) return;
    const reason = errorMessage(error);
    this.options.log.debug("the connections to Postgres are made anew", { reason });
    this.#pool = this.#open();
    this.#retired.add(pool);
  }
}

/** True while its first connections may not be made yet; later the driver gives them up. */
function isConnecting({ isConnected, openedAtMs }: Pool): boolean {
  return !isConnected && performance.now() - openedAtMs < connectTimeoutSeconds * 1_000;
}

export interface ConnectionHandlers {
  /** A connection is made: the server tells its parameters. */
  readonly onparameter?: () => void;
  readonly onnotify?: (channel: string) => void;
  readonly onclose?: () => void;
}

/** Connections are opened when they are first needed. */
function connect(
  {
    url,
    applicationName,
    log,
    isRepeatable = false,
    statementTimeoutMs = longestStatementMs,
  }: DatabaseOptions,
  connectionsMax: number,
  handlers: ConnectionHandlers = {},
): Sql {
  const options = {
    ...handlers,
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
    onnotice: (notice: postgres.Notice) =>
      log.debug("notice from Postgres", { notice: notice.message }),
    connection: {
      application_name: applicationName,
      // Dates are read as UTC in ISO format, whatever the server's settings are.
      TimeZone: "UTC",
      DateStyle: "ISO",
      // Whatever the role's own schema, and what its database does by default.
      search_path: "public",
      default_transaction_isolation: "read committed" as const,
      statement_timeout: statementTimeoutMs,
      client_connection_check_interval: clientCheckMs,
      ...keepAlive,
      ...(isRepeatable && { synchronous_commit: "off" }),
    },
  };
  return postgres<{ bigint: postgres.PostgresType<bigint> }>(url, options);
}

/**
 * True when Postgres itself refused the statement, and the connection goes on. One that takes no
 * writes any more (25006) is a primary of before: its address leads elsewhere now.
 */
function isAnswer(error: unknown): boolean {
  return error instanceof postgres.PostgresError && !/^(08|57P0|25006)/.test(error.code);
}
