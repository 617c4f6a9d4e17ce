/**
 * Virtual time. What is due is done in the order of its time, and everything that follows from it
 * without waiting (the microtasks) before the next: so a run is a function of its seed.
 */
import { drainMicrotasks } from "bun:jsc";

interface Task {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Scheduler {
  /** A binary heap by time, then by the order of coming. */
  readonly #heap: Task[] = [];
  #nowMs = 0;
  #order = 0;

  /** Milliseconds since the run began, with fractions. */
  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): void {
    const task = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || !before(task, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = task;
  }

  /** Goes on until something is done or `untilMs` is reached; true when it is done. */
  run(untilMs: number, done: () => boolean = () => false): boolean {
    drainMicrotasks();
    for (;;) {
      if (done()) return true;
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#pop();
      this.#nowMs = next.atMs;
      next.run();
      drainMicrotasks();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    return false;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      let child = heap[childAt];
      const right = heap[childAt + 1];
      if (child !== undefined && right !== undefined && before(right, child)) {
        child = right;
        childAt++;
      }
      if (child === undefined || !before(child, last)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = last;
  }
}

function before(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
