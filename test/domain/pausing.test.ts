import { expect, test } from "bun:test";
import fc from "fast-check";
import { atOnce, sorting } from "../../src/domain/pausing.ts";

const item = fc.record({ key: fc.integer({ min: 0, max: 500 }), tag: fc.nat() });
const byKey = (a: { key: number }, b: { key: number }) => a.key - b.key;

test("sorting with pauses gives what toSorted gives, equal items in their order", () => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 3_000, size: "max" }), (items) => {
      expect(atOnce(sorting(items, byKey))).toEqual(items.toSorted(byKey));
    }),
    { numRuns: 50 },
  );
});

test("sorting pauses after a few hundred items", () => {
  const items = Array.from({ length: 10_000 }, (_, i) => ({ key: (i * 7_919) % 10_007 }));
  let comparisons = 0;
  const counting = (a: { key: number }, b: { key: number }) => {
    comparisons++;
    return byKey(a, b);
  };
  let most = 0;
  for (const _ of sorting(items, counting)) {
    most = Math.max(most, comparisons);
    comparisons = 0;
  }
  // 256 items need at most 256 · log2(256) comparisons.
  expect(most).toBeLessThanOrEqual(2_048);
});
