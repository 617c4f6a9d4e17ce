/** Counts durations in buckets that grow by a twentieth each, which is as exact as is useful. */
export class Latencies {
  readonly #buckets = new Map<number, number>();
  #count = 0;

  add(ms: number): void {
    const bucket = Math.round(Math.log(Math.max(ms, 0.01)) / Math.log(growth));
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
    this.#count++;
  }

  /** The duration that this share of all (0 to 1) does not exceed; 0 when there are none. */
  quantile(share: number): number {
    let left = Math.ceil(this.#count * share);
    for (const bucket of [...this.#buckets.keys()].sort((a, b) => a - b)) {
      left -= this.#buckets.get(bucket) ?? 0;
      if (left <= 0) return growth ** bucket;
    }
    return 0;
  }
}

const growth = 1.05;
