import { expect, test } from "bun:test";
import { schedule } from "../../src/cluster/chaos/faults.ts";

const options = { faults: 60, leaseMs: 5_000, longNatsPauses: true };
const seeds = Array.from({ length: 500 }, (_, seed) => seed);

test("no blow holds two faults of one target, and every fault is dealt", () => {
  const wrong = seeds.flatMap((seed) => {
    const blows = schedule(seed, options);
    const targets = blows.map(({ faults }) => faults.map(({ target }) => target));
    const twice = targets.filter((some) => new Set(some).size < some.length);
    return twice.length > 0 || targets.flat().length !== options.faults ? [{ seed, twice }] : [];
  });
  expect(wrong).toEqual([]);
});
