import { expect, test } from "bun:test";
import { PayloadGap } from "../../src/actors/ports.ts";
import { whileDropped } from "../../src/replay/dropped.ts";

const gap = new PayloadGap(1, 414, 728);

/** Fails so often, and takes 10 ms each time. */
async function asked(failures: number, error: Error): Promise<readonly number[]> {
  const lost: number[] = [];
  let nowMs = 0;
  return await whileDropped({ monotonic: () => nowMs }, async (lostMs) => {
    lost.push(lostMs);
    nowMs += 10;
    if (lost.length <= failures) throw error;
    return lost;
  });
}

test("what is dropped under a question is asked anew, and the time that was lost is told", async () => {
  expect(await asked(0, gap)).toEqual([0]);
  expect(await asked(2, gap)).toEqual([0, 10, 20]);
  await expect(asked(3, gap)).rejects.toThrow(gap);
});

test("any other failure is one", async () => {
  await expect(asked(1, new Error("the broker is gone"))).rejects.toThrow("the broker is gone");
});
