import { expect, test } from "bun:test";
import { hash32, partitionOf } from "../../src/domain/digest.ts";

test("digests and partitions never change: stored data rests on them", () => {
  expect([hash32("", 0), hash32("a", 1), hash32("Customer1", 42), hash32("😀", 7)]).toEqual([
    0, 3_484_942_910, 2_688_558_222, 1_506_039_755,
  ]);
  expect(partitionOf("Customer1", "channel1", 16)).toBe(3);
});

test("names spread evenly over partitions", () => {
  const counts = new Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) {
    const partition = partitionOf(`Customer${i % 7}`, `channel${i}`, 16);
    counts[partition] = (counts[partition] ?? 0) + 1;
  }
  expect(Math.min(...counts)).toBeGreaterThan(850);
  expect(Math.max(...counts)).toBeLessThan(1_150);
});

test("customer and content do not run into each other", () => {
  expect(partitionOf("a", "bc", 1_024)).not.toBe(partitionOf("ab", "c", 1_024));
});

test("a million digests of 64 bits do not collide", () => {
  const seen = new Set<bigint>();
  for (let i = 0; i < 1_000_000; i++) {
    const token = `c98arf53-ae39-4c9d-af44-${i}`;
    seen.add((BigInt(hash32(token, 1)) << 32n) | BigInt(hash32(token, 2)));
  }
  expect(seen.size).toBe(1_000_000);
});
