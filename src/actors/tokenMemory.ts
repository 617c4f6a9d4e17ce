import { decodingDigests } from "../domain/digestCodec.ts";
import { DigestTable } from "../domain/digestTable.ts";
import { generationOf, generationsRemembered, type Rules } from "../domain/rules.ts";

/** The tokens that a partition has seen, by generations of windows (decision 0006). */
export class TokenMemory {
  readonly #table: DigestTable;

  constructor(private readonly rules: Rules) {
    this.#table = new DigestTable(generationsRemembered(rules));
  }

  get size(): number {
    return this.#table.size;
  }

  enterWindow(windowIndex: number): void {
    this.#table.advance(generationOf(windowIndex, this.rules));
  }

  /**
   * Notes that a token is seen in the current window.
   * @returns how many generations ago it was last seen; -1 when it is not known.
   */
  touch(high: number, low: number): number {
    return this.#table.touch(high, low);
  }

  /**
   * Takes in the digests of an earlier window, or of this one, with pauses.
   * @param each is called with the halves of each.
   */
  remembering(
    digests: string,
    windowIndex: number,
    each: (high: number, low: number) => void = () => {},
  ): Generator<undefined, void> {
    const generation = generationOf(windowIndex, this.rules);
    return decodingDigests(digests, (high, low) => {
      this.#table.restore(high, low, generation);
      each(high, low);
    });
  }
}
