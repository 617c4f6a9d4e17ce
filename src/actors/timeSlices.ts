import type { Clock } from "./clock.ts";

/** After so much work, other partitions and requests get their turn. */
const sliceMs = 8;

/** Divides the work of one of many that share a thread. */
export class TimeSlices {
  #beganMs: number;

  constructor(private readonly clock: Pick<Clock, "monotonic" | "yield">) {
    this.#beganMs = clock.monotonic();
  }

  /** To be called between steps of work: lets others run when the slice has been long enough. */
  async pause(): Promise<void> {
    if (this.clock.monotonic() - this.#beganMs <= sliceMs) return;
    await this.clock.yield();
    this.#beganMs = this.clock.monotonic();
  }

  /** Does work that can pause. */
  async run<Result>(work: Generator<undefined, Result>): Promise<Result> {
    for (;;) {
      const { done, value } = work.next();
      if (done) return value;
      await this.pause();
    }
  }
}
