import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodingDigests, digestsIn, encodeDigests } from "../../src/domain/digestCodec.ts";
import { atOnce } from "../../src/domain/pausing.ts";

function read(text: string): number[] {
  const halves: number[] = [];
  atOnce(decodingDigests(text, (high, low) => halves.push(high, low)));
  return halves;
}

describe("digests as text", () => {
  test("come back, in order", () => {
    const half = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(fc.array(fc.tuple(half, half), { maxLength: 20 }), (digests) => {
        const halves = digests.flat();
        expect(read(encodeDigests(halves))).toEqual(halves);
      }),
    );
  });

  // A step is of 4,095.
  test.each([0, 1, 4_094, 4_095, 4_096, 10_000])("of %i digests are read in steps", (count) => {
    const halves = Array.from({ length: 2 * count }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 0);
    const text = encodeDigests(halves);
    expect(read(text)).toEqual(halves);
    const steps = [...decodingDigests(text, () => {})];
    expect(steps).toHaveLength(Math.ceil(count / 4_095));
    expect(digestsIn(text) - count).toBeOneOf([0, 1]);
  });
});
