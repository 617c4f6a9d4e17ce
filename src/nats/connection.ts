/** The connection to the NATS servers, shared by everything in this folder. */
import { connect, type JetStreamManager, type NatsConnection, NatsError } from "nats";
import { inTime } from "../inTime.ts";
import type { Log } from "../log.ts";
import { isTransient } from "./apiError.ts";
import "./dials.ts";
import { type NatsAddress, parseNatsUrl } from "./natsUrl.ts";
import { isAtLeast, versionMin } from "./serverVersion.ts";

interface NatsOptions {
  /** One or several servers, separated by commas. */
  readonly url: string;
  /** How this process or thread is called in the server's list of connections. */
  readonly name: string;
  readonly log: Log;
  /** How long to wait for a first answer before giving up. */
  readonly connectTimeoutMs?: number;
  /** Ends the wait for a first answer. */
  readonly signal?: AbortSignal | undefined;
}

/** NATS cannot be used as it is, and why. */
export class NatsUnusable extends Error {}

const dialTimeoutMs = 2_000;
const closeTimeoutMs = 2_000;
/** More than a cluster has servers. */
const dialsAtOnceMax = 16;
/** A paused server closes no socket: three pings without a pong, some 9 s, end the connection. */
const pingIntervalMs = 3_000;

/**
 * Connects, checks the server, and stays connected for ever after.
 * @throws NatsUnusable when no server is reached in time, is too old, or has no JetStream.
 */
export async function connectNats(options: NatsOptions): Promise<NatsLink> {
  const timeoutMs = options.connectTimeoutMs ?? 10_000;
  const address = parseNatsUrl(options.url);
  const startedMs = performance.now();
  const triedMs = () => Math.round(performance.now() - startedMs);
  const isOver = () => triedMs() > timeoutMs || options.signal?.aborted === true;
  const connection = await dial(address, options.name, isOver).catch(async (error: unknown) => {
    const cause = (await probe(address, options.name)) ?? error;
    const servers = address.servers.join(", ");
    throw new NatsUnusable(`no NATS server answers at ${servers} (tried for ${triedMs()} ms)`, {
      cause,
    });
  });
  try {
    checkVersion(connection);
    const manager = await jetStream(connection, isOver);
    return new NatsLink(connection, manager, options.log);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** JetStream answers sooner, unless it hangs. */
const answerMs = 1_500;

/** A live connection. It reconnects by itself; `connected` tells whether it is up now. */
export class NatsLink {
  #connected = true;
  #closing: Promise<void> | undefined;
  readonly #listeners = new Set<(connected: boolean) => void>();
  /** Resolves when the connection has ended for good: by `close`, or because the client gave up. */
  readonly closed: Promise<void>;

  constructor(
    readonly connection: NatsConnection,
    readonly manager: JetStreamManager,
    private readonly log: Log,
  ) {
    void this.#watch();
    this.closed = connection.closed().then((error) => this.#ended(error ?? undefined));
  }

  /** False while no server is connected; requests made then would only wait in a buffer. */
  get connected(): boolean {
    return this.#connected;
  }

  /**
   * Whether JetStream answers; undefined when no server is connected. One whose storage hangs takes
   * connections all the same. In a cluster another node would answer, the one that leads it, or
   * none while one is elected; there a connection counts as an answer.
   */
  async answers(): Promise<boolean | undefined> {
    if (!this.#connected) return undefined;
    if (this.isClustered) return true;
    const asked = this.connection.request("$JS.API.INFO", undefined, { timeout: answerMs });
    return asked.then(
      (msg) => !("error" in msg.json<object>()),
      () => (this.#connected ? false : undefined),
    );
  }

  /** True when the server connected to belongs to a cluster. */
  get isClustered(): boolean {
    return this.connection.info?.cluster !== undefined;
  }

  /** The version of the server connected to. */
  get serverVersion(): string {
    return this.connection.info?.version ?? "unknown";
  }

  /** The largest message that the server takes, in bytes. */
  get payloadBytesMax(): number {
    return this.connection.info?.max_payload ?? 1_048_576;
  }

  /** Calls back at every loss and return of the connection. Returns how to stop that. */
  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Sends what is buffered and closes; bounded, idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#connected && !this.connection.isClosed()) {
      // Draining waits for a pong, which a server that just died never sends.
      await inTime(this.connection.drain(), closeTimeoutMs).catch(() => {});
    }
    await this.connection.close();
    await this.closed;
  }

  async #watch(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "disconnect") this.#change(false);
      else if (status.type === "reconnect") this.#change(true);
      else if (status.type === "error") this.log.warn("NATS error", { code: status.data });
      else if (status.type === "ldm") this.log.info("NATS server is about to stop");
    }
  }

  #ended(error: Error | undefined): void {
    this.#change(false);
    if (this.#closing === undefined) this.log.error("NATS connection ended", { error });
  }

  #change(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    const server = this.connection.isClosed() ? undefined : this.connection.getServer();
    if (connected) this.log.info("NATS connected again", { server });
    else if (this.#closing === undefined) this.log.warn("NATS disconnected", { server });
    for (const listener of [...this.#listeners]) listener(connected);
  }
}

/**
 * The first connection waits for a server, and keeps those that do not answer now in its list for
 * later. The delay handler is the one place where the client asks before it dials again, so that
 * is where the wait for the first connection ends.
 */
async function dial(address: NatsAddress, name: string, isOver: () => boolean) {
  let connected = false;
  let seenMs = Date.now();
  let dialsAtOnce = 0;
  const connection = await connect({
    ...address,
    name,
    noAsyncTraces: true,
    timeout: dialTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    waitOnFirstConnect: true,
    ignoreAuthErrorAbort: true,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: () => {
      if (!connected && isOver()) throw new Error("no server answered");
      // The client waits until the wall clock has passed the last attempt at a server by this
      // delay: for an hour, when the clock was set back by one.
      const nowMs = Date.now();
      dialsAtOnce = nowMs < seenMs ? dialsAtOnceMax : Math.max(dialsAtOnce - 1, 0);
      seenMs = nowMs;
      return dialsAtOnce > 0 ? Number.NEGATIVE_INFINITY : 200 + Math.random() * 300;
    },
  });
  connected = true;
  return connection;
}

/** Asks once more why there is no connection; undefined when there is one now. */
async function probe(address: NatsAddress, name: string): Promise<unknown> {
  try {
    const options = { ...address, name, timeout: dialTimeoutMs, reconnect: false };
    await (await connect(options)).close();
    return undefined;
  } catch (error) {
    return error;
  }
}

function checkVersion(connection: NatsConnection): void {
  const version = connection.info?.version ?? "unknown";
  if (isAtLeast(version, versionMin)) return;
  const needed = `${versionMin.join(".")} or newer is needed`;
  throw new NatsUnusable(`nats-server ${version} is too old: ${needed}`);
}

/** A server that has just started may need a moment before its JetStream answers. */
async function jetStream(connection: NatsConnection, isOver: () => boolean) {
  for (;;) {
    try {
      return await connection.jetstreamManager({ timeout: 5_000 });
    } catch (error) {
      const off = connection.info?.jetstream !== true && error instanceof NatsError;
      if (off || !isTransient(error) || isOver()) {
        const hint = off ? "; start it with -js, or set jetstream in its configuration" : "";
        throw new NatsUnusable(`JetStream is not available on this NATS server${hint}`, {
          cause: error,
        });
      }
      await Bun.sleep(200);
    }
  }
}
