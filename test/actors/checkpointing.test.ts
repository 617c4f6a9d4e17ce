import { expect, test } from "bun:test";
import { checkpointIsDue, digestsOf } from "../../src/actors/checkpointing.ts";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import { encodeDigests } from "../../src/domain/digestCodec.ts";

test("a checkpoint is due after 200,000 payloads, or after some time if there was one", () => {
  expect(checkpointIsDue(0, 199_999, 0, 0)).toBe(false);
  expect(checkpointIsDue(0, 200_000, 0, 0)).toBe(true);
  expect(checkpointIsDue(0, 0, 60_000, 0)).toBe(false);
  expect(checkpointIsDue(0, 1, 12_500, 0)).toBe(true);
});

test("partitions that committed together write their next checkpoints one after the other", () => {
  const dueAt = (partition: number) => {
    let ms = 0;
    while (!checkpointIsDue(partition, 1, ms, 0)) ms++;
    return ms;
  };
  const times = Array.from({ length: 16 }, (_, partition) => dueAt(partition));
  expect(new Set(times).size).toBe(16);
  expect(Math.min(...times)).toBe(7_500);
  expect(Math.max(...times)).toBeLessThan(12_500);
});

test("checkpoints write no more digests than twice the payloads that are read", () => {
  const payloads = 10_000_000;
  let [committed, held, written] = [0, 0, 0];
  // Every payload has a new token, and all are in one window.
  for (let read = 1; read <= payloads; read++) {
    if (!checkpointIsDue(0, read - committed, 0, held)) continue;
    [committed, held] = [read, read];
    written += read;
  }
  expect(written).toBeGreaterThan(payloads / 2);
  expect(written).toBeLessThanOrEqual(2 * payloads);
});

test("counts the digests of a state", () => {
  const digests = (count: number) => encodeDigests(Array.from({ length: 2 * count }, (_, i) => i));
  const window = {
    ...{ customer: "a", content: "b", cdn: "0", p2p: "0", sessions: 0, payloads: 0 },
    ...{ duplicates: 0, firstSequence: 0, lastSequence: 0 },
  };
  const windows = [300, 600].map((count) => ({ ...window, tokens: digests(count) }));
  const state = { ...emptyPartitionState, windows, keys: [[7, digests(90)] as const] };
  expect(digestsOf(state)).toBeCloseTo(990, 0);
  expect(digestsOf(emptyPartitionState)).toBe(0);
});
