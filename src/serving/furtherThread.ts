/** A further thread that serves PORT, seen from the first one. */
import { proxy, type Remote, wrap } from "comlink";
import { inTime } from "../inTime.ts";
import { drainMs, type PublicServerState } from "./publicServer.ts";
import type { FirstThread, PublicThread, PublicThreadOptions } from "./publicThread.ts";

/** Bounds on what a thread is asked for, in milliseconds. */
interface ThreadPatience {
  /** It loads the program and connects to the broker. */
  readonly startMs: number;
  readonly stateMs: number;
  readonly closeMs: number;
  readonly finishMs: number;
  /** How often it is looked at, and how often in a row it may not answer then. */
  readonly lookMs: number;
  readonly missesMax: number;
}

const usual: ThreadPatience = {
  startMs: 15_000,
  stateMs: 1_000,
  closeMs: drainMs + 1_000,
  finishMs: 3_000,
  lookMs: 2_000,
  missesMax: 4,
};

export class FurtherThread {
  readonly #worker: Worker;
  readonly #thread: Remote<PublicThread>;
  /** Rejects when it goes wrong before it serves. */
  readonly #broken = Promise.withResolvers<never>();
  /** There is nobody left to answer. */
  #hasEnded = false;
  #phase: "starting" | "serving" | "stopping" = "starting";
  #state: PublicServerState | undefined;
  #looks: ReturnType<typeof setInterval> | undefined;
  #misses = 0;

  /**
   * @param script exposes a `PublicThread`.
   * @param failed is told, once, when a thread that serves ends, hangs, or has an error that nobody
   *   handled.
   */
  constructor(
    script: URL,
    private readonly failed: (error: Error) => void,
    private readonly patience = usual,
  ) {
    this.#worker = new Worker(script);
    this.#thread = wrap<PublicThread>(this.#worker);
    this.#broken.promise.catch(() => {});
    // What is thrown while a script is loaded comes as an event and is printed nowhere.
    this.#worker.addEventListener("error", ({ message }) => this.#end(`has ended: ${message}`));
    this.#worker.addEventListener("close", () => this.#end("has ended"));
  }

  /** @throws when the thread cannot serve, or does not in time. */
  async start(options: PublicThreadOptions, first: Omit<FirstThread, "failed">): Promise<void> {
    const failed = (reason: string) => this.#fail(`has failed: ${reason}`);
    const starting = this.#thread.start(options, proxy({ ...first, failed }));
    await this.#inTime(Promise.race([starting, this.#broken.promise]), this.patience.startMs);
    if (this.#phase !== "starting") return;
    this.#phase = "serving";
    this.#looks = setInterval(() => void this.#look(), this.patience.lookMs);
  }

  /** As it is, or as it was when it answered last. */
  async state(): Promise<PublicServerState | undefined> {
    await this.#ask();
    return this.#state;
  }

  /** Stops accepting, and lets requests in flight end. */
  async close(): Promise<void> {
    this.#stop();
    await this.#unlessEnded(this.#thread.close(), this.patience.closeMs);
  }

  /** Settles what is queued or in flight, and ends the thread, whatever it does. */
  async finish(): Promise<void> {
    this.#stop();
    try {
      await this.#unlessEnded(this.#thread.finish(), this.patience.finishMs);
    } finally {
      this.#end("has ended");
    }
  }

  #stop(): void {
    this.#phase = "stopping";
    clearInterval(this.#looks);
  }

  /** False when it did not answer. */
  async #ask(): Promise<boolean> {
    try {
      const state = await this.#unlessEnded(this.#thread.state(), this.patience.stateMs);
      this.#state = state ?? this.#state;
      return true;
    } catch {
      return false;
    }
  }

  /** A thread that hangs would keep its share of the connections for ever. */
  async #look(): Promise<void> {
    this.#misses = (await this.#ask()) ? 0 : this.#misses + 1;
    if (this.#misses > this.patience.missesMax) this.#end("does not answer");
  }

  /** Undefined when it has ended already; one that ends meanwhile is late. */
  async #unlessEnded<Value>(answer: Promise<Value>, ms: number): Promise<Value | undefined> {
    return this.#hasEnded ? undefined : await this.#inTime(answer, ms);
  }

  #inTime<Value>(answer: Promise<Value>, ms: number): Promise<Value> {
    const late = () => new Error(`a thread that serves PORT did not answer within ${ms} ms`);
    return inTime(answer, ms, late);
  }

  #end(what: string): void {
    this.#fail(what);
    this.#hasEnded = true;
    this.#worker.terminate();
  }

  #fail(what: string): void {
    const error = new Error(`a thread that serves PORT ${what}`);
    if (this.#phase === "starting") this.#broken.reject(error);
    if (this.#phase !== "serving") return;
    this.#stop();
    this.failed(error);
  }
}
