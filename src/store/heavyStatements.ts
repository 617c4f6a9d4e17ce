/**
 * Keeps the statements that occupy a core of the database for long from occupying all of its cores:
 * at a boundary at which thousands of actors seal, devices would wait for their answers (decisions
 * 0017 and 0019).
 */
import { Semaphore } from "./semaphore.ts";

/** It waits no longer for others: one that does not end must not hold up all that come after it. */
const waitMsMax = 3_000;

/** One object a process, for all statements that may be heavy. */
export class HeavyStatements {
  readonly #row = new Semaphore(1, Number.POSITIVE_INFINITY);

  /** @param devicesWait true while a device waits for an answer of this process. */
  constructor(private readonly devicesWait: () => boolean = () => false) {}

  /** A large commit, of which there is one at a time. */
  commit<Result>(run: () => Promise<Result>): Promise<Result> {
    return this.#inRow(run);
  }

  /** A step of a projection: beside a large commit, but in one row with them while devices wait. */
  project<Result>(run: () => Promise<Result>): Promise<Result> {
    return this.devicesWait() ? this.#inRow(run) : run();
  }

  /** Who waited in vain goes on all the same: nothing depends on it but the time of others. */
  async #inRow<Result>(run: () => Promise<Result>): Promise<Result> {
    const entered = await this.#row.acquire(waitMsMax);
    try {
      return await run();
    } finally {
      if (entered) this.#row.release();
    }
  }
}
