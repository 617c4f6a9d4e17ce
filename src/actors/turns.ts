import type { Clock } from "./clock.ts";
import type { Turns } from "./ports.ts";

/** The least that a timer takes. */
const restMs = 1;

/**
 * At a boundary every partition has thousands of actors to seal, all in a thread that also answers
 * requests. Work in turns is done one after the other, since done in parts of each it would
 * all end late; and in slices, so that everything else that is ready runs in between.
 */
export class SlicedTurns implements Turns {
  readonly #waiting: (() => Promise<void>)[] = [];
  #isBusy = false;
  /** Of the slice under way, which is of as many turns as it takes. */
  #usedMs = 0;

  /**
   * @param devicesWait true while devices wait for answers. Then there is some time between two
   * slices, since a request needs the thread several times and would meet a slice at each.
   */
  constructor(
    private readonly clock: Pick<Clock, "monotonic" | "sleep" | "yield">,
    private readonly devicesWait: () => boolean = () => false,
    private readonly sliceMs = 0.5,
  ) {}

  run<Result>(work: Generator<unknown, Result>): Promise<Result> {
    return this.#queued(work, (turn) => this.#waiting.push(turn));
  }

  runNext<Result>(work: Generator<unknown, Result>): Promise<Result> {
    return this.#queued(work, (turn) => this.#waiting.unshift(turn));
  }

  #queued<Result>(
    work: Generator<unknown, Result>,
    queue: (turn: () => Promise<void>) => void,
  ): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    queue(() => this.#inSlices(work).then(resolve, reject));
    if (!this.#isBusy) void this.#takeTurns();
    return promise;
  }

  async #takeTurns(): Promise<void> {
    this.#isBusy = true;
    while (this.#waiting.length > 0) {
      // Before the choice, so that whoever had the last turn can say what comes next.
      await this.clock.yield();
      await this.#waiting.shift()?.();
    }
    this.#isBusy = false;
  }

  async #inSlices<Result>(work: Generator<unknown, Result>): Promise<Result> {
    for (;;) {
      const beganMs = this.clock.monotonic() - this.#usedMs;
      do {
        const { done, value } = work.next();
        this.#usedMs = this.clock.monotonic() - beganMs;
        if (done) return value;
      } while (this.#usedMs < this.sliceMs);
      this.#usedMs = 0;
      await (this.devicesWait() ? this.clock.sleep(restMs) : this.clock.yield());
    }
  }
}
