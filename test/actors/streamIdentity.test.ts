import { describe, expect, test } from "bun:test";
import { systemClock } from "../../src/actors/clock.ts";
import { PartitionOwner } from "../../src/actors/partitionOwner.ts";
import { PartitionHalted } from "../../src/actors/ports.ts";
import { verifyStream } from "../../src/actors/streamIdentity.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { silentLog } from "../../src/log.ts";
import { until } from "../support/until.ts";
import { FakeStore, FakeStreams } from "./fakes.ts";

const place = { streamCreated: "one", sequence: 8, messageTime: "original 8" };

describe("a stream", () => {
  test("that continues the checkpoint is read on", async () => {
    expect(await verifyStream(new FakeStreams("one", 9), 0, place)).toBe("one");
  });

  test("that has another time of creation since it was edited is read on", async () => {
    expect(await verifyStream(new FakeStreams("two", 9), 0, place)).toBe("two");
    const trimmed = new FakeStreams("two", 9);
    trimmed.firstSequence = 9;
    expect(await verifyStream(trimmed, 0, place)).toBe("two");
    trimmed.firstSequence = 10;
    await expect(verifyStream(trimmed, 0, place)).rejects.toThrow("made anew");
  });

  test.each([
    ["that was made anew and holds others", "two", 9, "other"],
    ["that was made anew and is empty", "two", 0, "original"],
    ["that ends at sequence 7", "one", 7, "original"],
  ])("%s is not", async (_, created, lastSequence, copy) => {
    const streams = new FakeStreams(created, lastSequence);
    streams.copy = copy;
    await expect(verifyStream(streams, 0, place)).rejects.toThrow(PartitionHalted);
  });

  test("that was made anew before anything was read is not", async () => {
    const start = { ...place, sequence: 0, messageTime: "" };
    expect(await verifyStream(new FakeStreams("one", 9), 0, start)).toBe("one");
    const verifying = verifyStream(new FakeStreams("two", 9), 0, start);
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
        rules: { windowMs: 300_000, partitions: 1, sessionMemoryMs: 600_000 },
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
