/** An actor as it was: which moments there are. */
import { describe, expect, test } from "bun:test";
import type { PastMoment } from "../../src/actors/historyPorts.ts";
import { type LogMessage, PartitionHalted } from "../../src/actors/ports.ts";
import { BatchBuilder } from "../../src/domain/envelope.ts";
import { actorAt } from "../../src/replay/actorAt.ts";
import { run } from "../support/streams.ts";
import { memoryPast } from "./memoryPast.ts";

const windowMs = 30_000;
const startMs = 1_800_000_000_000;
const rules = { windowMs, partitions: 1, sessionMemoryMs: 60 * windowMs };
const name = { customer: "Customer1", content: "channel1" };

function message(sequence: number, timeMs: number): LogMessage {
  const batch = new BatchBuilder();
  batch.add({ ...name, token: "t", timespan: 1, p2p: 0, cdn: sequence, sessionDuration: 1 });
  const data = new TextEncoder().encode(batch.encode("test", sequence));
  return { sequence, timeMs, time: `${timeMs}000000`, data };
}

/** Two windows: the first is sealed, the second is open, and its last message is the newest. */
const lastMs = startMs + windowMs + 5_000;
const stream = [message(1, startMs), message(2, startMs + windowMs), message(3, lastMs)];
const { events } = run(stream, rules);

function at(moment: PastMoment, nowMs: number) {
  return actorAt(memoryPast({ stream, events, rules, nowMs }), name, moment, 20);
}

function time(timeMs: number): PastMoment {
  return { kind: "time", timeMs };
}

function position(position: number): PastMoment {
  return { kind: "position", position };
}

describe("an actor", () => {
  test("whose stream is gone is unknown in windows that are not sealed, and known in others", async () => {
    const past = memoryPast({ stream, events, rules, nowMs: lastMs });
    const state = async () => {
      throw new PartitionHalted("its stream is gone");
    };
    const gone = { ...past, streams: { ...past.streams, state } };
    const reason = "the stream that was read is gone";
    expect(await actorAt(gone, name, time(lastMs), 20)).toMatchObject({
      state: "unknown",
      basis: { kind: "not-retained", reason },
      totals: { windows: 1 },
    });
    const nobody = { ...name, content: "nobody's" };
    expect(await actorAt(gone, nobody, time(startMs), 20)).toBeUndefined();
    expect(await actorAt(gone, nobody, time(lastMs), 20)).toMatchObject({ state: "unknown" });
  });

  test("at any moment until now is known", async () => {
    expect(await at(time(startMs + 1), lastMs)).toMatchObject({ state: "open" });
    expect(await at(time(lastMs), lastMs)).toMatchObject({ state: "open" });
    expect(await at(position(1), lastMs)).toMatchObject({ state: "idle", position: 1 });
    // Nothing came since, and time went on.
    expect(await at(time(lastMs + windowMs), lastMs + windowMs)).toMatchObject({
      state: "idle",
    });
  });

  test("in the future is not: the answer says what the newest moment is", async () => {
    const newest = time(lastMs + 10);
    expect(await at(time(lastMs + 11), lastMs + 10)).toEqual({ kind: "future", newest });
    expect(await at(position(2), lastMs)).toEqual({
      kind: "future",
      newest: position(1),
    });
  });

  test("is the same before and after its windows are sealed", async () => {
    const nowMs = lastMs + 10 * windowMs;
    const both = { windows: 2, cdn: 6n, sessions: 1n, payloads: 3n };
    const first = { windows: 1, cdn: 1n, sessions: 1n, payloads: 1n };
    for (const [sealedThroughMs, recorded] of [
      [0, []],
      [startMs + windowMs, events],
    ] as const) {
      const place = { sealedThroughMs };
      const past = memoryPast({ stream, events: recorded, rules, nowMs, place });
      const asked = (timeMs: number) => actorAt(past, name, time(timeMs), 20);
      expect(await asked(startMs + windowMs)).toMatchObject({ state: "open", totals: first });
      // No message has come since the second window has ended.
      for (const timeMs of [startMs + 2 * windowMs, nowMs]) {
        expect(await asked(timeMs)).toMatchObject({ state: "idle", totals: both });
      }
    }
  });

  test("is known until the last message, also where the clock is behind the broker's", async () => {
    expect(await at(time(lastMs), lastMs - 1_000)).toMatchObject({ state: "open" });
    const newest = time(lastMs);
    expect(await at(time(lastMs + 1), lastMs - 1_000)).toEqual({ kind: "future", newest });
  });
});
