/**
 * Listens for notifications on a connection of its own, and makes that anew whenever it is lost.
 * A heartbeat finds connections that are dead without saying so.
 */
import { inTime } from "../inTime.ts";
import { errorMessage, type Log } from "../log.ts";
import type { ConnectionHandlers, Sql } from "./database.ts";

type Callback = () => void;

const heartbeatMs = 5_000;
const answerDeadlineMs = 5_000;
const pauseMs = 100;

export class Listener {
  readonly #channels = new Map<string, Set<Callback>>();
  #running: Promise<void> | undefined;
  #isStopping = false;
  /** Ends a wait of the connection's watch: there is a new channel, it is closed, or all stops. */
  #interrupt: Callback = () => {};

  constructor(
    private readonly connect: (handlers: ConnectionHandlers) => Sql,
    private readonly log: Log,
  ) {}

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
    this.#interrupt();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      let isClosed = false;
      const sql = this.connect({
        onnotify: (channel) => this.#tell(channel),
        onclose: () => {
          isClosed = true;
          this.#interrupt();
        },
      });
      try {
        await this.#watch(sql, () => isClosed);
      } catch (error) {
        this.log.debug("listening failed and is tried again", { reason: errorMessage(error) });
      }
      await sql.end({ timeout: 0 });
      if (!this.#isStopping) await Bun.sleep(pauseMs);
    }
  }

  /** Returns when the connection is closed; throws when it does not answer. */
  async #watch(sql: Sql, isClosed: () => boolean): Promise<void> {
    const heard = new Set<string>();
    while (!isClosed() && !this.#isStopping) {
      // Promises of this turn alone: one that lives on would keep something of every race.
      const interrupted = Promise.withResolvers<void>();
      const stopped = Promise.withResolvers<void>();
      this.#interrupt = () => {
        if (this.#isStopping) stopped.resolve();
        interrupted.resolve();
      };
      const added = [...this.#channels.keys()].filter((channel) => !heard.has(channel));
      const statements = added.map((channel) => `listen "${channel}";`).join(" ");
      await Promise.race([answerOf(sql, statements), stopped.promise]);
      for (const channel of added) {
        heard.add(channel);
        this.#tell(channel);
      }
      const timer = setTimeout(interrupted.resolve, heartbeatMs);
      await interrupted.promise;
      clearTimeout(timer);
    }
  }

  #tell(channel: string): void {
    for (const callback of this.#channels.get(channel) ?? []) callback();
  }
}

/** Sends the statements, or a heartbeat when there are none. */
async function answerOf(sql: Sql, statements: string): Promise<void> {
  const answered = (async () => await sql.unsafe(statements || "select 1").simple())();
  await inTime(answered, answerDeadlineMs, () => new Error("no answer"));
}
