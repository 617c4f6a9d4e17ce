/**
 * A set of 64-bit digests, each with the generation in which it was last seen: open addressing in
 * typed arrays, 10 bytes a slot and 12 to 24 bytes an entry. A JavaScript Map of strings would take
 * ten times that for a million tokens.
 */
const slotsMin = 64;
const loadMax = 0.85;
/** Generations are kept modulo this, in 16 bits; 0 marks a free slot. */
const generationModulus = 0xffff;

export class DigestTable {
  #high: Uint32Array;
  #low: Uint32Array;
  #generations: Uint16Array;
  #size = 0;
  #sweptAt = -1;
  #generation = 0;

  /**
   * @param remembered how many generations after its own an entry is still known, at most 1,000.
   * @param expected entries for which there is room from the start. Whoever fills a table with the
   *   entries of another has to say how many: they come in the order of its slots, and would fill
   *   one end of a table that grows, where each search then passes nearly all of them.
   */
  constructor(
    private readonly remembered: number,
    expected = 0,
  ) {
    if (remembered > 1_000) throw new RangeError("too many generations for 16 bits");
    const slots = slotsFor(expected);
    this.#high = new Uint32Array(slots);
    this.#low = new Uint32Array(slots);
    this.#generations = new Uint16Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of the arrays. */
  get bytes(): number {
    return this.#high.length * 10;
  }

  /** Moves to a generation, from which on entries count as old; forgets those too old to know. */
  advance(generation: number): void {
    if (generation <= this.#generation) return;
    if (generation - this.#generation > this.remembered) this.#clear();
    this.#generation = generation;
    // Sweeping costs a pass over the table, so it waits until about an eighth may have expired.
    if (generation - this.#sweptAt < Math.max(1, this.remembered >> 3)) return;
    this.#sweptAt = generation;
    this.#rebuild();
  }

  /**
   * Marks a digest as seen in the current generation.
   * @returns how many generations ago it was last seen, 0 for this one; -1 when it is not known.
   */
  touch(high: number, low: number): number {
    return this.#mark(high, low, this.#generation);
  }

  /** True when a digest is known, at whatever age. */
  has(high: number, low: number): boolean {
    return this.#generations[this.#slotOf(high, low)] !== 0;
  }

  /** Marks a digest as seen in an earlier generation, when the table is filled again at a start. */
  restore(high: number, low: number, generation: number): void {
    if (this.#generation - generation <= this.remembered) this.#mark(high, low, generation);
  }

  /** All that are known, high and low half in turn, for a checkpoint. */
  digests(): number[] {
    const halves: number[] = [];
    for (let slot = 0; slot < this.#high.length; slot++) {
      const age = this.#ageAt(slot);
      if (age < 0 || age > this.remembered) continue;
      halves.push(this.#high[slot] ?? 0, this.#low[slot] ?? 0);
    }
    return halves;
  }

  #mark(high: number, low: number, generation: number): number {
    if (this.#size >= this.#high.length * loadMax) this.#rebuild();
    const slot = this.#slotOf(high, low);
    const age = this.#ageAt(slot);
    if (age < 0) {
      this.#insert(slot, high, low, stamp(generation));
      return -1;
    }
    if (this.#generation - age < generation) this.#generations[slot] = stamp(generation);
    return age > this.remembered ? -1 : age;
  }

  /** Where a digest is, or else the free slot where it belongs. */
  #slotOf(high: number, low: number): number {
    const mask = this.#high.length - 1;
    let slot = low & mask;
    while (this.#generations[slot] !== 0) {
      if (this.#low[slot] === low && this.#high[slot] === high) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  /** How many generations ago a slot was marked; -1 when it is free. */
  #ageAt(slot: number): number {
    return ageOf(this.#generations[slot] ?? 0, this.#generation);
  }

  #insert(slot: number, high: number, low: number, marked: number): void {
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#generations[slot] = marked;
    this.#size++;
  }

  /** Everything is too old to know; the ages of 16 bits would not tell after a long gap. */
  #clear(): void {
    this.#generations.fill(0);
    this.#size = 0;
  }

  /** Copies what is still known into the smallest table that has room for one more. */
  #rebuild(): void {
    const [oldHigh, oldLow, oldGenerations] = [this.#high, this.#low, this.#generations];
    const isKnown = (slot: number) => {
      const age = ageOf(oldGenerations[slot] ?? 0, this.#generation);
      return age >= 0 && age <= this.remembered;
    };
    let known = 0;
    for (let slot = 0; slot < oldHigh.length; slot++) if (isKnown(slot)) known++;
    const slots = slotsFor(known);
    this.#high = new Uint32Array(slots);
    this.#low = new Uint32Array(slots);
    this.#generations = new Uint16Array(slots);
    this.#size = 0;
    for (let from = 0; from < oldHigh.length; from++) {
      if (!isKnown(from)) continue;
      const low = oldLow[from] ?? 0;
      let slot = low & (slots - 1);
      while (this.#generations[slot] !== 0) slot = (slot + 1) & (slots - 1);
      this.#insert(slot, oldHigh[from] ?? 0, low, oldGenerations[from] ?? 0);
    }
  }
}

/** @param marked a stamp, or 0. */
function ageOf(marked: number, generation: number): number {
  if (marked === 0) return -1;
  const age = stamp(generation) - marked;
  return age < 0 ? age + generationModulus : age;
}

/** The smallest table that has room for one more than so many. */
function slotsFor(entries: number): number {
  let slots = slotsMin;
  while (entries >= slots * loadMax - 1) slots *= 2;
  return slots;
}

function stamp(generation: number): number {
  return (generation % generationModulus) + 1;
}
