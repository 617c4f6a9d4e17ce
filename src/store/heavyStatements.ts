/**
 * Keeps the statements that occupy a core of the database for long from occupying all of its cores:
 * at a boundary at which thousands of actors seal, devices would wait for their answers (decisions
 * 0017 and 0019).
 */

/** What takes longer holds the others up no more: only their time depends on it. */
const turnMsMax = 1_000;

/**
 * Turns, first come, first served. One object a process, for all statements that may be heavy: one
 * commit of each owner and one step of each projection, so that no more than these wait.
 */
export class HeavyStatements {
  /** Resolves when the last turn that was asked for is over. */
  #last: Promise<void> = Promise.resolve();

  /**
   * @param devicesWait true while devices wait for answers and would feel it.
   * @param maxMs the longest turn.
   */
  constructor(
    private readonly devicesWait: () => boolean = () => false,
    private readonly maxMs = turnMsMax,
  ) {}

  /** Waits for its turn. The turn is over when `run` has ended, or has run for `maxMs`. */
  async inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const before = this.#last;
    const over = Promise.withResolvers<void>();
    this.#last = over.promise;
    await before;
    const timer = setTimeout(over.resolve, this.maxMs);
    try {
      return await run();
    } finally {
      clearTimeout(timer);
      over.resolve();
    }
  }

  /** Waits for its turn while devices wait, and goes at once when none does. */
  inTurnForDevices<Result>(run: () => Promise<Result>): Promise<Result> {
    return this.devicesWait() ? this.inTurn(run) : run();
  }
}
