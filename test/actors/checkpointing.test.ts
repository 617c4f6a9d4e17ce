import { expect, test } from "bun:test";
import { checkpointIsDue } from "../../src/actors/checkpointing.ts";

test("a checkpoint is due after 200,000 payloads, or after some time if there was one", () => {
  expect(checkpointIsDue(0, 199_999, 0)).toBe(false);
  expect(checkpointIsDue(0, 200_000, 0)).toBe(true);
  expect(checkpointIsDue(0, 0, 60_000)).toBe(false);
  expect(checkpointIsDue(0, 1, 12_500)).toBe(true);
});

test("partitions that committed together write their next checkpoints one after the other", () => {
  const dueAt = (partition: number) => {
    let ms = 0;
    while (!checkpointIsDue(partition, 1, ms)) ms++;
    return ms;
  };
  const times = Array.from({ length: 16 }, (_, partition) => dueAt(partition));
  expect(new Set(times).size).toBe(16);
  expect(Math.min(...times)).toBe(7_500);
  expect(Math.max(...times)).toBeLessThan(12_500);
});
