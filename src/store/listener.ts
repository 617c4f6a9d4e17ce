/**
 * Listens for notifications on a connection of its own, and makes that anew whenever it is lost.
 * A heartbeat finds connections that are dead without saying so.
 */
import { errorMessage, type Log } from "../log.ts";
import type { ConnectionHandlers, Sql } from "./database.ts";

type Callback = () => void;

const heartbeatMs = 5_000;
const answerDeadlineMs = 5_000;
const pauseMs = 100;

export class Listener {
  readonly #connect: (handlers: ConnectionHandlers) => Sql;
  readonly #log: Log;
  readonly #channels = new Map<string, Set<Callback>>();
  readonly #stopped = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #isStopping = false;
  /** Ends the connection's watch, so that a new channel is listened to. */
  #interrupt: Callback = () => {};

  constructor(connect: (handlers: ConnectionHandlers) => Sql, log: Log) {
    this.#connect = connect;
    this.#log = log;
  }

  /** The connection is made when the first channel is asked for. */
  listen(channel: string, callback: Callback): Callback {
    const callbacks = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, callbacks.add(callback));
    this.#running ??= this.#run();
    this.#interrupt();
    return () => callbacks.delete(callback);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopped.resolve();
    this.#interrupt();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const closed = Promise.withResolvers<void>();
      const sql = this.#connect({
        onnotify: (channel) => this.#tell(channel),
        onclose: () => closed.resolve(),
      });
      try {
        await this.#watch(sql, closed.promise);
      } catch (error) {
        this.#log.debug("listening failed and is tried again", { reason: errorMessage(error) });
      }
      await sql.end({ timeout: 0 });
      if (!this.#isStopping) await Promise.race([Bun.sleep(pauseMs), this.#stopped.promise]);
    }
  }

  /** Returns when the connection is closed; throws when it does not answer. */
  async #watch(sql: Sql, closed: Promise<void>): Promise<void> {
    const heard = new Set<string>();
    let isClosed = false;
    const closing = closed.then(() => {
      isClosed = true;
    });
    while (!isClosed && !this.#isStopping) {
      const interrupted = Promise.withResolvers<void>();
      this.#interrupt = interrupted.resolve;
      const added = [...this.#channels.keys()].filter((channel) => !heard.has(channel));
      const statements = added.map((channel) => `listen "${channel}";`).join(" ");
      await Promise.race([answerOf(sql, statements), this.#stopped.promise]);
      for (const channel of added) {
        heard.add(channel);
        this.#tell(channel);
      }
      const timer = setTimeout(interrupted.resolve, heartbeatMs);
      await Promise.race([closing, interrupted.promise]);
      clearTimeout(timer);
    }
  }

  #tell(channel: string): void {
    for (const callback of this.#channels.get(channel) ?? []) callback();
  }
}

/** Sends the statements, or a heartbeat when there are none. */
async function answerOf(sql: Sql, statements: string): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("no answer")), answerDeadlineMs);
  const answered = (async () => await sql.unsafe(statements || "select 1").simple())();
  answered.catch(() => {});
  try {
    await Promise.race([answered, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
