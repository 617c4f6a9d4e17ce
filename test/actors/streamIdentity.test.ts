import { describe, expect, test } from "bun:test";
import { systemClock } from "../../src/actors/clock.ts";
import { PartitionOwner } from "../../src/actors/partitionOwner.ts";
import { PartitionHalted } from "../../src/actors/ports.ts";
import { verifyStream } from "../../src/actors/streamIdentity.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { until } from "../support/until.ts";
import { FakeStore, FakeStreams, silentLog } from "./fakes.ts";

const place = { streamCreated: "one", sequence: 8, messageTime: "original 8" };

describe("a stream", () => {
  test("that continues the checkpoint is read on", async () => {
    expect(await verifyStream(new FakeStreams("one", 9), 0, place)).toBe("one");
  });

  test.each([
    ["that was made anew", "two", 9],
    ["that ends at sequence 7", "one", 7],
  ])("%s is not", async (_, created, lastSequence) => {
    const verifying = verifyStream(new FakeStreams(created, lastSequence), 0, place);
    await expect(verifying).rejects.toThrow(PartitionHalted);
  });

  test("that is cut off between two looks at it is not", async () => {
    const streams = new FakeStreams("one", 9);
    const verifying = verifyStream(streams, 0, place);
    streams.lastSequence = 2;
    await expect(verifying).rejects.toThrow(PartitionHalted);
  });

  test("is compared with the last message received, not with the last one applied", async () => {
    const streams = new FakeStreams("one", 9);
    const owner = new PartitionOwner(
      {
        streams,
        store: new FakeStore(),
        clock: systemClock,
        log: silentLog,
        rules: { windowMs: 300_000, sessionMemoryMs: 600_000 },
        rawRetentionMs: 0,
        turns: new SlicedTurns(systemClock),
        workerId: "worker",
      },
      { partition: 0, epoch: 1 },
    );
    const verify = await until(async () => streams.verify, { what: "the feed" });
    const received = streams.messageOf(9);
    await verify(received);
    streams.copy = "other";
    await expect(verify(received)).rejects.toThrow("restored from an older copy");
    expect(await owner.stop()).toEqual({ kind: "stopped" });
  });
});
