/** Work that is done again and again in the background, until it is stopped. */
import { errorMessage, type Log } from "../log.ts";

/** `again`: there is more to do at once. `wait`: until woken, or until the next poll. */
export type TurnResult = "again" | "wait" | { readonly waitMs: number };

interface LoopOptions {
  readonly name: string;
  /** The longest wait between two turns; also the wait after a turn that failed. */
  readonly pollMs: number;
  readonly log: Log;
}

/**
 * From the beginning of a turn to that of the next one when it is woken meanwhile. One that rested
 * longer is woken at once; under many notifications, what they tell of is done in one turn.
 */
const restMs = 25;

export class Loop {
  #running: Promise<void> | undefined;
  #stopping = false;
  #woken = false;
  #wakeUp: (() => void) | undefined;
  #turnedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly turn: () => Promise<TurnResult>,
    private readonly options: LoopOptions,
  ) {}

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends a wait; during a turn, the next one. */
  wake(): void {
    this.#woken = true;
    this.#wakeUp?.();
  }

  /** Idempotent; resolves when the turn under way has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wakeUp?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping) {
      let result: TurnResult = "wait";
      try {
        this.#woken = false;
        this.#turnedAtMs = performance.now();
        result = await this.turn();
        if (failures > 0) this.options.log.info("going on", { loop: this.options.name, failures });
        failures = 0;
      } catch (error) {
        if (this.#stopping) return;
        failures += 1;
        // Told once; a broken connection would fill the log otherwise.
        const level = failures === 1 ? "warn" : "debug";
        const fields = { loop: this.options.name, failures, error: errorMessage(error) };
        this.options.log[level]("a turn failed and is tried again", fields);
      }
      if (typeof result === "object") await this.#waitFor(result.waitMs);
      else if (result === "wait") await this.#wait(failures > 0);
    }
  }

  /** Until then the turn cannot go on, whoever wakes the loop. */
  async #waitFor(ms: number): Promise<void> {
    await this.#pause(ms, () => this.#stopping);
  }

  /** After a failure, wake-ups do not shorten the wait. */
  async #wait(failed: boolean): Promise<void> {
    if (failed || !this.#woken) {
      await this.#pause(this.options.pollMs, () => this.#stopping || !failed);
    }
    if (!failed && this.#woken) await this.#waitFor(this.#turnedAtMs + restMs - performance.now());
  }

  /** Wake-ups end it when they may. */
  async #pause(ms: number, mayEnd: () => boolean): Promise<void> {
    if (this.#stopping || ms <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wakeUp = () => {
      if (mayEnd()) resolve();
    };
    await promise;
    clearTimeout(timer);
    this.#wakeUp = undefined;
  }
}
