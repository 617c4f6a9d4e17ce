/**
 * All threads of a process that serve PORT: the first one, in which everything else runs, and the
 * further ones, among which the kernel spreads connections (decision 0020). Whoever asks one of them
 * gets the same answers: what they count is added up here, and readiness is asked here by all.
 */
import { proxy, type Remote, wrap } from "comlink";
import type { Readiness } from "../actors/readPorts.ts";
import { inTime } from "../inTime.ts";
import { counter, gauge, type Sample } from "../metrics.ts";
import { PublicServer, type PublicServerOptions, type PublicServerState } from "./publicServer.ts";
import type { PublicThreadApi, PublicThreadOptions } from "./publicThread.ts";

export interface PublicServersOptions
  extends Omit<PublicServerOptions, "port" | "sharing" | "pending" | "readiness"> {
  readonly databaseUrl: string;
  readonly natsUrl: string;
}

/** A thread that is too busy to tell its state is taken to be as it was. */
const stateMs = 1_000;

export class PublicServers {
  /** The payloads of each thread that are queued or in flight, in memory that all can see. */
  readonly #pending: Int32Array;
  readonly #threads: Thread[] = [];
  #first: PublicServer | undefined;

  constructor(private readonly options: PublicServersOptions) {
    const bytes = options.config.httpThreads * Int32Array.BYTES_PER_ELEMENT;
    this.#pending = new Int32Array(new SharedArrayBuffer(bytes));
  }

  /** Payloads that are queued or in flight. */
  get pending(): number {
    return this.#pending.reduce((sum, one) => sum + one, 0);
  }

  /** What all threads together have counted and seen. */
  async state(): Promise<PublicServerState> {
    const further = await Promise.all(this.#threads.map((thread) => thread.state()));
    const states = [this.#first?.state, ...further].filter((state) => state !== undefined);
    const refused = new Map<string, number>();
    for (const [reason, count] of states.flatMap((state) => [...state.refused])) {
      refused.set(reason, (refused.get(reason) ?? 0) + count);
    }
    return {
      accepted: states.reduce((sum, { accepted }) => sum + accepted, 0),
      refused,
      full: states.flatMap(({ full }) => full),
      connected: states.every(({ connected }) => connected),
    };
  }

  async samples(): Promise<readonly Sample[]> {
    const { accepted, refused } = await this.state();
    return [
      counter("payload_stats_accepted_total", "Payloads answered 202.", "by", [
        ["ingest", accepted],
      ]),
      counter("payload_stats_refused_total", "Refusals of ingest.", "reason", [...refused]),
      gauge("payload_stats_publisher_pending", "Payloads queued or in flight.", this.pending),
    ];
  }

  /**
   * Resolves with the port when all threads serve it.
   * @throws when one cannot; `close` and `finish` then end those that do.
   */
  async start(readiness: Readiness): Promise<number> {
    const { config, publisher, databaseUrl, natsUrl } = this.options;
    const sharing = config.httpThreads > 1 ? "first" : "alone";
    const pendingOf = (index: number) => this.#pending.subarray(index, index + 1);
    const place = { port: config.port, sharing, pending: pendingOf(0) } as const;
    this.#first = new PublicServer({ ...this.options, ...place, readiness });
    const { port } = this.#first;
    for (let index = 1; index < config.httpThreads; index++) this.#threads.push(new Thread());
    const starts = this.#threads.map((thread, i) => {
      const own = { id: `${publisher}-${i + 1}`, pending: pendingOf(i + 1) };
      return thread.start({ config, databaseUrl, natsUrl, port, ...own }, readiness);
    });
    await Promise.all(starts);
    return port;
  }

  /** Stops accepting, and lets requests in flight end. */
  async close(): Promise<void> {
    await Promise.all([this.#first?.close(), ...this.#threads.map((thread) => thread.close())]);
  }

  /** Settles what is queued or in flight, and ends the further threads. */
  async finish(): Promise<void> {
    await Promise.all([this.#first?.finish(), ...this.#threads.map((thread) => thread.finish())]);
  }
}

/** A further thread, seen from the first one. */
class Thread {
  readonly #worker = new Worker(new URL("./publicThread.ts", import.meta.url));
  readonly #api: Remote<PublicThreadApi> = wrap<PublicThreadApi>(this.#worker);
  readonly #ended = Promise.withResolvers<void>();
  #state: PublicServerState | undefined;
  #phase: "starting" | "serving" | "stopping" = "starting";

  constructor() {
    this.#worker.addEventListener("close", () => this.#end());
  }

  async start(options: PublicThreadOptions, readiness: Readiness): Promise<void> {
    const ended = this.#ended.promise.then(() => {
      throw threadEnded();
    });
    await Promise.race([this.#api.start(options, proxy(readiness)), ended]);
    this.#phase = "serving";
  }

  async state(): Promise<PublicServerState | undefined> {
    const late = () => new Error("the thread does not answer");
    this.#state = await inTime(this.#api.state(), stateMs, late).catch(() => this.#state);
    return this.#state;
  }

  async close(): Promise<void> {
    this.#phase = "stopping";
    await Promise.race([this.#api.close(), this.#ended.promise]);
  }

  async finish(): Promise<void> {
    this.#phase = "stopping";
    await Promise.race([this.#api.finish(), this.#ended.promise]);
    this.#worker.terminate();
  }

  /** While it serves nobody expects its end. The error is nobody's to handle: it ends the process. */
  #end(): void {
    this.#ended.resolve();
    if (this.#phase !== "serving") return;
    queueMicrotask(() => {
      throw threadEnded();
    });
  }
}

function threadEnded(): Error {
  return new Error("a thread that serves PORT has ended; what it wrote before says why");
}
