import { expect, test } from "bun:test";
import { rises, slopeOf } from "../../bench/support/slope.ts";
import { Random } from "../../src/simulator/random.ts";

const minutes = Array.from({ length: 100 }, (_, i) => i / 10);
const noise = (seed: number) => {
  const random = new Random(seed);
  return () => random.below(1_000) / 100 - 5;
};

test("the slope of a line is found, and its error is that of the noise", () => {
  expect(
    slopeOf(
      minutes,
      minutes.map((minute) => 7 + 3 * minute),
    ).slope,
  ).toBeCloseTo(3, 9);
  const noisy = noise(1);
  const { slope, error } = slopeOf(
    minutes,
    minutes.map((minute) => 3 * minute + noisy()),
  );
  expect(Math.abs(slope - 3)).toBeLessThan(3 * error);
  expect(error).toBeGreaterThan(0.05);
  expect(error).toBeLessThan(0.2);
});

test("noise alone rises in no series, and a leak in it does in every one", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const flat = noise(seed);
    const leaking = noise(seed);
    expect(rises(slopeOf(minutes, minutes.map(flat)), 0.5)).toBe(false);
    const leak = minutes.map((minute) => 2 * minute + leaking());
    expect(rises(slopeOf(minutes, leak), 0.5)).toBe(true);
  }
});

test("of two samples nothing is known", () => {
  expect(rises(slopeOf([0, 1], [0, 1_000]), 1)).toBe(false);
});
