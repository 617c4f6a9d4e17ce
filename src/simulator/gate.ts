/** Lets at most so many in at a time; the others wait in order. */
export class Gate {
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(private readonly most: number) {}

  async enter(): Promise<void> {
    if (this.#inside < this.most) {
      this.#inside++;
      return;
    }
    // Who leaves hands its place over, so the count stays.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inside--;
    else next();
  }
}
