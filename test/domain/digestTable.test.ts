import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DigestTable } from "../../src/domain/digestTable.ts";

const remembered = 5;

describe("DigestTable", () => {
  test("equals a map of the generations in which digests were last seen", () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ high: fc.nat(3), low: fc.nat(200) }) },
      { weight: 1, arbitrary: fc.record({ advance: fc.integer({ min: 1, max: 9 }) }) },
      { weight: 1, arbitrary: fc.record({ advance: fc.constant(70_000) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new DigestTable(remembered);
        const lastSeen = new Map<string, number>();
        let generation = 0;
        for (const one of steps) {
          if ("advance" in one) {
            generation += one.advance;
            table.advance(generation);
            continue;
          }
          const name = `${one.high} ${one.low}`;
          const age = generation - (lastSeen.get(name) ?? Number.NEGATIVE_INFINITY);
          lastSeen.set(name, generation);
          expect(table.touch(one.high, one.low)).toBe(age <= remembered ? age : -1);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("knows nothing after a gap so long that 16 bits would call it short", () => {
    for (let gap = 65_530; gap < 65_545; gap++) {
      const table = new DigestTable(remembered);
      table.touch(1, 2);
      table.advance(gap);
      expect(table.touch(1, 2)).toBe(-1);
    }
  });

  test("comes back from its digests, and knows them until they are too old", () => {
    const table = new DigestTable(remembered);
    for (let i = 0; i < 1_000; i++) table.touch(i, i * 7);
    const halves = table.digests();
    const copy = new DigestTable(remembered, 1_000);
    copy.advance(remembered);
    for (let i = 0; i < halves.length; i += 2) copy.restore(halves[i] ?? 0, halves[i + 1] ?? 0, 0);
    expect(copy.size).toBe(1_000);
    for (let i = 0; i < 1_000; i++) expect(copy.touch(i, i * 7)).toBe(remembered);
    for (let i = 0; i < 1_000; i++) table.restore(i, i * 7 + 1, 0);
    table.advance(remembered + 1);
    expect(table.digests()).toEqual([]);
  });

  test("takes at most 24 bytes a digest, from ten thousand on", () => {
    const table = new DigestTable(remembered);
    for (let i = 0; i < 300_000; i++) {
      table.touch(Math.imul(i, 0x9e3779b1) >>> 0, Math.imul(i, 0x85ebca6b) >>> 0);
      if (i > 10_000 && i % 997 === 0) expect(table.bytes / table.size).toBeLessThanOrEqual(24);
    }
  });
});
