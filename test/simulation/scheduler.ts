/**
 * Virtual time. What is due is done in the order of its time, and everything that follows from it
 * without waiting (the microtasks) before the next: so a run is a function of its seed.
 */
import { drainMicrotasks } from "bun:jsc";
import { DueQueue } from "../../src/simulator/dueQueue.ts";

export class Scheduler {
  /** By their numbers, in the order of coming. */
  readonly #tasks = new Map<number, () => void>();
  readonly #due = new DueQueue();
  #nowMs = 0;
  #next = 0;

  /** Milliseconds since the run began, with fractions. */
  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): void {
    const number = this.#next++;
    this.#tasks.set(number, run);
    this.#due.push(this.#nowMs + Math.max(0, delayMs), number);
  }

  /** Goes on until something is done or `untilMs` is reached; true when it is done. */
  run(untilMs: number, done: () => boolean = () => false): boolean {
    drainMicrotasks();
    for (;;) {
      if (done()) return true;
      const atMs = this.#due.nextTime;
      const number = atMs === undefined || atMs > untilMs ? undefined : this.#due.pop();
      if (atMs === undefined || number === undefined) break;
      const run = this.#tasks.get(number);
      this.#tasks.delete(number);
      this.#nowMs = atMs;
      run?.();
      drainMicrotasks();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return false;
  }
}
