import { expect, test } from "bun:test";
import { LossAcceptance } from "../../src/actors/acceptLoss.ts";
import type { LossCommit } from "../../src/actors/operatorPorts.ts";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import { logMessage } from "../support/streams.ts";

/** What is accepted where the last message read is not known, and the stream holds eight. */
async function acceptedAfter(lossAcceptedTime: string, messageTime: string) {
  const stream = Array.from({ length: 8 }, (_, i) => ({
    ...logMessage(i + 1, i + 1, "{}"),
    time: String(i + 1),
  }));
  const state = { streamCreated: "one", sequence: 20, position: 3, sealedThroughMs: 0 };
  const checkpoint = { ...state, messageTime, state: emptyPartitionState };
  const losses: LossCommit[] = [];
  const acceptance = new LossAcceptance(
    {
      state: async () => ({ created: "two", firstSequence: 1, lastSequence: 8 }),
      message: async (_, sequence) => stream[sequence - 1],
    },
    {
      left: async () => ({ epoch: 1, checkpoint, halted: "made anew", lossAcceptedTime }),
      accept: async (loss) => {
        losses.push(loss);
        return "accepted";
      },
    },
    async () => {},
  );
  expect(await acceptance.acceptLoss(0, "anna")).toMatchObject({ kind: "accepted", position: 4 });
  return losses[0];
}

test("goes on after the last message read, or after what an earlier loss left out", async () => {
  expect(await acceptedAfter("", "3")).toMatchObject({ sequence: 3, countedTime: "3" });
  expect(await acceptedAfter("5", "3")).toMatchObject({ sequence: 5, countedTime: "5" });
  expect(await acceptedAfter("5", "")).toMatchObject({ sequence: 5, countedTime: "5" });
  expect(await acceptedAfter("5", "10")).toMatchObject({ sequence: 8, countedTime: "10" });
});
