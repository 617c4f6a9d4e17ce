const int64Max = 2n ** 63n - 1n;
/** Below this, adding one more safe integer cannot pass the end of int64. */
const surelyFits = int64Max - 2n ** 55n;

/**
 * An exact sum of safe integers over the whole int64 range. It adds doubles as long as they are
 * exact, and carries into a bigint when they would no longer be.
 */
export class ByteSum {
  #carried = 0n;
  #low = 0;

  static from(value: bigint): ByteSum {
    const sum = new ByteSum();
    sum.#carried = value;
    return sum;
  }

  get value(): bigint {
    return this.#carried + BigInt(this.#low);
  }

  /** The sum in decimal; most need no bigint. */
  toString(): string {
    return this.#carried === 0n ? String(this.#low) : this.value.toString();
  }

  /** @param amount a safe integer, not negative. */
  add(amount: number): void {
    const low = this.#low + amount;
    if (low <= Number.MAX_SAFE_INTEGER) {
      this.#low = low;
    } else {
      this.#carried += BigInt(this.#low);
      this.#low = amount;
    }
  }

  /** True when this sum and `amount` together still fit int64. */
  fits(amount: number): boolean {
    return this.#carried < surelyFits || this.value + BigInt(amount) <= int64Max;
  }
}
