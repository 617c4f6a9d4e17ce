/**
 * Randomness that a seed determines: the same seed gives the same run, which makes a difference
 * that was found once findable again. The generator is sfc32, seeded through splitmix32.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    let state = seed | 0;
    const next = () => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    // The first outputs still resemble the seed.
    for (let i = 0; i < 12; i++) this.uint32();
  }

  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** From 0 (inclusive) to 1 (exclusive). */
  uniform(): number {
    return this.uint32() / 2 ** 32;
  }

  between(min: number, max: number): number {
    return min + (max - min) * this.uniform();
  }

  /** An integer from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.uniform());
  }

  /** `median` is where half of the values lie below; `sigma` is the spread of the logarithm. */
  logNormal(median: number, sigma: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return median * Math.exp(sigma * radius * Math.cos(2 * Math.PI * this.uniform()));
  }

  /** A text of 32 hexadecimal digits in the form of a UUID. */
  uuid(): string {
    const digits = [0, 0, 0, 0].map(() => this.uint32().toString(16).padStart(8, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  }
}

/** Chooses ranks from 0 as Zipf's law has it: rank r is chosen in proportion to 1 / (r + 1)^s. */
export class Zipf {
  readonly #cumulative: readonly number[];

  constructor(ranks: number, exponent: number) {
    let total = 0;
    const cumulative: number[] = [];
    for (let rank = 1; rank <= ranks; rank++) {
      total += rank ** -exponent;
      cumulative.push(total);
    }
    this.#cumulative = cumulative.map((sum) => sum / total);
  }

  rank(random: Random): number {
    const point = random.uniform();
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cumulative[middle] ?? 1) > point) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
