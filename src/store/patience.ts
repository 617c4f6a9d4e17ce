/** The urgent projections count as done when they had nothing to apply for so long. */
const quietMs = 200;
/** While one of them looks for events, it is asked again after this long. */
const lookingMs = 20;
/** However busy the others are, a patient projection waits for so many polls, and catches up. */
const pollsMax = 5;

/** Lets the projections whose rows may be late wait while the others have events to apply. */
export class Patience {
  /** At most the time between two polls, like the next. */
  readonly #quietMs: number;
  readonly #lookingMs: number;
  readonly #patienceMs: number;
  readonly #now: () => number;
  #looking = 0;
  #lastWork = Number.NEGATIVE_INFINITY;
  /** Since when somebody waits; undefined while nobody does. */
  #waitingSince: number | undefined;

  /** @param pollMs how long a projection waits when nobody wakes it. */
  constructor(pollMs: number, now = () => performance.now()) {
    this.#quietMs = Math.min(quietMs, pollMs);
    this.#lookingMs = Math.min(lookingMs, pollMs);
    this.#patienceMs = pollsMax * pollMs;
    this.#now = now;
  }

  /** The turn of an urgent projection; `worked` tells from its result that there were events. */
  async urgent<Result>(
    turn: Promise<Result>,
    worked: (result: Result) => boolean,
  ): Promise<Result> {
    this.#looking++;
    try {
      const result = await turn;
      if (worked(result)) this.#lastWork = this.#now();
      return result;
    } finally {
      this.#looking--;
    }
  }

  /** How long a patient projection has to wait before it asks again; 0 when it is its turn. */
  waitMs(): number {
    const now = this.#now();
    this.#waitingSince ??= now;
    const quietAt = this.#looking > 0 ? now + this.#lookingMs : this.#lastWork + this.#quietMs;
    return Math.max(0, Math.min(quietAt, this.#waitingSince + this.#patienceMs) - now);
  }

  /** The patient projection has applied everything. */
  caughtUp(): void {
    this.#waitingSince = undefined;
  }
}
