/** What is due when, earliest first; equal times in order of their number: a binary heap. */
export class DueQueue {
  readonly #times: number[] = [];
  readonly #numbers: number[] = [];

  get size(): number {
    return this.#times.length;
  }

  /** The earliest time, or undefined when nothing is due. */
  get nextTime(): number | undefined {
    return this.#times[0];
  }

  push(time: number, number: number): void {
    this.#times.push(time);
    this.#numbers.push(number);
    let child = this.size - 1;
    while (child > 0) {
      const parent = (child - 1) >>> 1;
      if (!this.#before(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** Removes what is earliest and returns its number. */
  pop(): number | undefined {
    const first = this.#numbers[0];
    const lastTime = this.#times.pop();
    const lastNumber = this.#numbers.pop();
    if (lastTime === undefined || lastNumber === undefined || this.size === 0) return first;
    this.#times[0] = lastTime;
    this.#numbers[0] = lastNumber;
    this.#sink();
    return first;
  }

  #sink(): void {
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      if (left >= this.size) return;
      const right = left + 1;
      const child = right < this.size && this.#before(right, left) ? right : left;
      if (!this.#before(child, parent)) return;
      this.#swap(child, parent);
      parent = child;
    }
  }

  #before(left: number, right: number): boolean {
    const difference = (this.#times[left] ?? 0) - (this.#times[right] ?? 0);
    if (difference !== 0) return difference < 0;
    return (this.#numbers[left] ?? 0) < (this.#numbers[right] ?? 0);
  }

  #swap(left: number, right: number): void {
    swap(this.#times, left, right);
    swap(this.#numbers, left, right);
  }
}

function swap(values: number[], left: number, right: number): void {
  const value = values[left] ?? 0;
  values[left] = values[right] ?? 0;
  values[right] = value;
}
