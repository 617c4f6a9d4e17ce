/**
 * A process of the simulation: it can be frozen (SIGSTOP) and continued, or killed. Whatever wakes
 * its code goes through `run`: timers, answers and messages. Frozen, they wait; killed, they are
 * lost, and its promises stay pending for ever.
 */
import type { Clock } from "../../src/actors/clock.ts";
import type { Scheduler } from "./scheduler.ts";

export class SimulatedProcess {
  alive = true;
  /** How far its wall clock is from the true time. */
  skewMs = 0;
  readonly clock: Clock;
  #frozen = false;
  #held: (() => void)[] = [];

  constructor(
    readonly name: string,
    readonly pid: number,
    private readonly scheduler: Scheduler,
    /** Epoch ms at the time 0 of the scheduler. */
    epochMs: number,
  ) {
    this.clock = {
      now: () => Math.floor(epochMs + scheduler.nowMs + this.skewMs),
      monotonic: () => scheduler.nowMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
      yield: () => this.#sleep(0),
    };
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  run(code: () => void): void {
    if (!this.alive) return;
    if (this.#frozen) this.#held.push(code);
    else code();
  }

  after(delayMs: number, code: () => void): void {
    this.scheduler.after(delayMs, () => this.run(code));
  }

  kill(): void {
    this.alive = false;
    this.#held = [];
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** Goes on with what came meanwhile, in its order, one after the other. */
  continue(): void {
    this.#frozen = false;
    for (const code of this.#held) this.after(0, code);
    this.#held = [];
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        signal?.removeEventListener("abort", done);
        resolve();
      };
      this.after(ms, done);
      signal?.addEventListener("abort", done);
    });
  }
}
