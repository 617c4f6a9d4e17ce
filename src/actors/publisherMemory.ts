import type { PublisherState } from "./partitionState.ts";

/** Publishers that were not heard for this long, in stream time, are forgotten. */
const silenceMaxMs = 24 * 3_600_000;
const publishersMax = 4_096;

/**
 * The last message number of each publisher. Publishers number the messages they send to a
 * partition upwards and have one in flight at a time, so a message whose number is not larger than
 * the last one is a repeat, however late it comes.
 */
export class PublisherMemory {
  /** In the order in which they were last heard. */
  readonly #publishers = new Map<string, { number: number; heardMs: number }>();

  #gaps = 0;

  /** How often numbers were left out: given up by their publisher, or lost. */
  get gaps(): number {
    return this.#gaps;
  }

  /** Takes note of a message; false when it is a repeat. */
  advance(id: string, number: number, timeMs: number): boolean {
    const known = this.#publishers.get(id);
    if (known !== undefined && number <= known.number) return false;
    if (number > (known?.number ?? 0) + 1) this.#gaps++;
    this.#publishers.delete(id);
    this.#publishers.set(id, { number, heardMs: timeMs });
    this.#forget(timeMs);
    return true;
  }

  save(): PublisherState[] {
    return [...this.#publishers].map(([id, { number, heardMs }]) => ({ id, number, heardMs }));
  }

  restore(publishers: readonly PublisherState[]): void {
    for (const { id, number, heardMs } of publishers) this.#publishers.set(id, { number, heardMs });
  }

  #forget(timeMs: number): void {
    for (const [id, { heardMs }] of this.#publishers) {
      const silent = timeMs - heardMs > silenceMaxMs;
      if (!silent && this.#publishers.size <= publishersMax) break;
      this.#publishers.delete(id);
    }
  }
}
