/** Lets so many in at a time; the others wait, first come, first served. */
export class Semaphore {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(
    places: number,
    private readonly waitingMax = Number.POSITIVE_INFINITY,
  ) {
    this.#free = places;
  }

  /**
   * True when a place was had within `waitMs`, or at some time where none is given; false also when
   * too many wait already.
   */
  acquire(waitMs?: number): Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    if (this.#waiting.size >= this.waitingMax) return Promise.resolve(false);
    return new Promise((resolve) => {
      const enter = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const giveUp = () => {
        this.#waiting.delete(enter);
        resolve(false);
      };
      const timer = waitMs === undefined ? undefined : setTimeout(giveUp, waitMs);
      this.#waiting.add(enter);
    });
  }

  /** The place goes to the one who has waited longest. */
  release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
