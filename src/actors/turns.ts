import type { Clock } from "./clock.ts";
import type { Turns } from "./ports.ts";

/**
 * At a boundary every partition has thousands of actors to seal, all in a thread that also answers
 * requests. Work in turns is done one after the other, since done in parts of each it would
 * all end late; and in slices, so that everything else that is ready runs in between.
 */
export class SlicedTurns implements Turns {
  readonly #clock: Pick<Clock, "monotonic" | "yield">;
  readonly #sliceMs: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(clock: Pick<Clock, "monotonic" | "yield">, sliceMs = 2) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  run<Result>(work: Generator<unknown, Result>): Promise<Result> {
    const turn = this.#last.then(() => this.#inSlices(work));
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #inSlices<Result>(work: Generator<unknown, Result>): Promise<Result> {
    for (;;) {
      await this.#clock.yield();
      const until = this.#clock.monotonic() + this.#sliceMs;
      do {
        const { done, value } = work.next();
        if (done) return value;
      } while (this.#clock.monotonic() < until);
    }
  }
}
