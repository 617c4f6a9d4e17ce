import { expect, test } from "bun:test";
import { CheckpointPace } from "../../src/actors/checkpointing.ts";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import { encodeDigests } from "../../src/domain/digestCodec.ts";

/** A pace and the clock that it goes by. */
function paceOf(partition = 0) {
  const clock = { ms: 0, monotonic: () => clock.ms };
  const pace = new CheckpointPace(partition, clock);
  pace.committed(0);
  return { clock, pace };
}

const window = {
  ...{ customer: "a", content: "b", cdn: "0", p2p: "0", sessions: 0, payloads: 0 },
  ...{ duplicates: 0, firstSequence: 0, lastSequence: 0 },
};

function digests(count: number): string {
  return encodeDigests(Array.from({ length: 2 * count }, (_, i) => i));
}

test("a checkpoint is due after 200,000 payloads, or after some time if there was one", () => {
  const { clock, pace } = paceOf();
  expect(pace.isDue(199_999)).toBe(false);
  expect(pace.isDue(200_000)).toBe(true);
  clock.ms = 60_000;
  expect(pace.isDue(0)).toBe(false);
  expect(pace.isDue(1)).toBe(true);
  pace.committed(1);
  expect(pace.isDue(2)).toBe(false);
});

test("partitions that committed together write their next checkpoints one after the other", () => {
  const dueAt = (partition: number) => {
    const { clock, pace } = paceOf(partition);
    while (!pace.isDue(1)) clock.ms++;
    return clock.ms;
  };
  const times = Array.from({ length: 16 }, (_, partition) => dueAt(partition));
  expect(new Set(times).size).toBe(16);
  expect(Math.min(...times)).toBe(7_500);
  expect(Math.max(...times)).toBeLessThan(12_500);
});

test("as many payloads as the last one held tokens and keys come before the next", () => {
  const { pace } = paceOf();
  const windows = [300_000, 600_000].map((count) => ({ ...window, tokens: digests(count) }));
  pace.committed(5, { ...emptyPartitionState, windows, keys: [[7, digests(90_000)]] });
  expect(pace.isDue(980_000)).toBe(false);
  expect(pace.isDue(1_000_000)).toBe(true);
  pace.committed(1_000_000, emptyPartitionState);
  expect(pace.isDue(1_200_000)).toBe(true);
});

test("checkpoints write no more digests than twice the payloads that are read", () => {
  const { pace } = paceOf();
  const payloads = 2_000_000;
  let written = 0;
  // Every payload has a new token, and all are in one window.
  for (let read = 1_000; read <= payloads; read += 1_000) {
    if (!pace.isDue(read)) continue;
    const windows = [{ ...window, tokens: digests(read) }];
    pace.committed(read, { ...emptyPartitionState, windows });
    written += read;
  }
  expect(written).toBeGreaterThan(payloads / 2);
  expect(written).toBeLessThanOrEqual(2 * payloads);
});
