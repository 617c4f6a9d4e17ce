import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Partition } from "../../src/actors/partition.ts";
import type { LogMessage } from "../../src/actors/ports.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import { atOnce } from "../../src/domain/pausing.ts";
import type { Rules } from "../../src/domain/rules.ts";
import { auditPartition } from "../../src/replay/audit.ts";
import { planReplay, warmUpMs } from "../../src/replay/plan.ts";
import { runReplay } from "../../src/replay/run.ts";
import type { Past } from "../../src/replay/sources.ts";
import { examplePayload } from "../support/api.ts";
import { arbitraryMessages } from "../support/arbitraryStreams.ts";
import type { NaiveMessage } from "../support/naiveModel.ts";
import { logMessage, run, streamOf } from "../support/streams.ts";
import { memoryPast } from "./memoryPast.ts";

const windowMs = 30_000;
const rules: Rules = { windowMs, partitions: 1, sessionMemoryMs: 60 * windowMs };
const startMs = 1_800_000_000_000;
const endMs = startMs + 1_000 * windowMs;
const streams = arbitraryMessages({ startMs, windowMs, waitMaxMs: 3 * windowMs, messagesMax: 80 });

/** The events of a replay that starts for the sake of `fromMs`, as far as they come out exactly. */
async function replayed(past: Past, fromMs: number | undefined, rules = past.rules) {
  const plan = await planReplay(past, 0, past.rules, fromMs);
  if ("reason" in plan) throw new Error(plan.reason);
  const events: DomainEvent[] = [];
  await runReplay(past, {
    plan,
    rules,
    sealed: (sealed) => void events.push(...sealed),
  });
  return { plan, events: since(events, Math.max(fromMs ?? 0, plan.exactFromMs)) };
}

function since(events: readonly DomainEvent[], fromMs: number): DomainEvent[] {
  return events.filter(({ data }) => Date.parse(data.windowStart) >= fromMs);
}

describe("a replay", () => {
  test("reads an edited stream with another time of creation, and not one that was made anew", async () => {
    const stream = [logMessage(1, startMs, "{"), logMessage(2, startMs + 1, "{")];
    const planOver = (time: string | undefined) => {
      const past = memoryPast({ stream, events: [], rules });
      const state = async () => ({ created: "later", firstSequence: 1, lastSequence: 2 });
      const message = async (_: number, sequence: number) => {
        const held = stream[sequence - 1];
        return held && { ...held, time: time ?? held.time };
      };
      return planReplay(
        { ...past, streams: { ...past.streams, state, message } },
        0,
        rules,
        undefined,
      );
    };
    expect(await planOver(undefined)).toMatchObject({ basis: { kind: "whole-stream" } });
    expect(await planOver("7")).toMatchObject({ reason: "the stream that was read is gone" });
  });

  test("keeps no more of what cannot be read than an owner does", async () => {
    const stream = Array.from({ length: 10_100 }, (_, i) => logMessage(i + 1, startMs + i, "{"));
    const past = memoryPast({ stream, events: [], rules });
    const plan = await planReplay(past, 0, rules, undefined);
    if ("reason" in plan) throw new Error(plan.reason);
    const after = await runReplay(past, { plan, rules });
    expect(after.counts.quarantined).toBe(10_100);
    expect(after.quarantined.length).toBeLessThan(10_000);
    expect(after.quarantined.at(-1)).toMatchObject({ sequence: 10_100 });
  });

  test("of the whole stream gives every event again", async () => {
    await fc.assert(
      fc.asyncProperty(streams, async (messages) => {
        const stream = streamOf(messages, endMs);
        const { events } = run(stream, rules);
        const again = await replayed(memoryPast({ stream, events, rules }), undefined);
        expect(again.plan.basis.kind).toBe("whole-stream");
        expect(again.events).toEqual(events);
      }),
      { numRuns: 100 },
    );
  });

  test("with a warm-up gives the same events from any window on", async () => {
    let warmedUp = 0;
    await fc.assert(
      fc.asyncProperty(streams, fc.nat(60), async (messages, window) => {
        const stream = streamOf(messages, endMs);
        const { events } = run(stream, rules);
        const fromMs = startMs + window * windowMs;
        const again = await replayed(memoryPast({ stream, events, rules }), fromMs);
        if (again.plan.basis.kind === "warm-up") warmedUp++;
        expect(again.events).toEqual(since(events, fromMs));
      }),
      { numRuns: 300 },
    );
    expect(warmedUp).toBeGreaterThan(50);
  });

  test("of what is left of a trimmed stream gives the events that it says are exact", async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(streams, fc.nat(60), async (messages, dropped) => {
        const stream = streamOf(messages, endMs);
        const { events } = run(stream, rules);
        const droppedThrough = Math.min(dropped, stream.length - 1);
        const past = memoryPast({ stream, events, rules, droppedThrough });
        const again = await replayed(past, undefined);
        const expected = since(events, again.plan.exactFromMs);
        compared += expected.length;
        expect(again.events).toEqual(expected);
      }),
      { numRuns: 1_000 },
    );
    expect(compared).toBeGreaterThan(100);
  });
});

/** Bytes by actor and by the windows that the others lie in. */
function bytesByWindow(events: readonly DomainEvent[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { customer, content, data } of events) {
    const window = Math.floor(Date.parse(data.windowStart) / windowMs);
    const name = JSON.stringify([window, customer, content]);
    sums.set(name, (sums.get(name) ?? 0n) + BigInt(data.cdn) + BigInt(data.p2p));
  }
  return sums;
}

test("a replay under shorter windows adds up to the same bytes, repeats or not", async () => {
  await fc.assert(
    fc.asyncProperty(streams, fc.nat(60), async (messages, window) => {
      const stream = streamOf(messages, endMs);
      const { events } = run(stream, rules);
      const fromMs = startMs + window * windowMs;
      const shorter = { ...rules, windowMs: windowMs / 3, keyWindowMs: windowMs };
      const again = await replayed(memoryPast({ stream, events, rules }), fromMs, shorter);
      expect(bytesByWindow(again.events)).toEqual(bytesByWindow(since(events, fromMs)));
    }),
    { numRuns: 300 },
  );
});

test("a repeat at the beginning of the warm-up does not make its key newer", async () => {
  const payload = { token: "d", customer: "x", content: "2", timespan: 30_000, p2p: 0, cdn: 0 };
  const payloads = [{ ...payload, sessionDuration: 0, key: "k" }];
  const message = (timeMs: number, number: number) => ({
    timeMs,
    publisher: "p",
    number,
    payloads,
  });
  const stream = streamOf(
    [
      { ...message(startMs + 3_000, 1), payloads: [] },
      message(startMs + 22_000, 2),
      // A repeat: its key was last seen in the window before.
      message(startMs + windowMs, 2),
      // So this one counts again.
      message(startMs + 3 * windowMs, 4),
    ],
    endMs,
  );
  const { events } = run(stream, rules);
  const again = await replayed(memoryPast({ stream, events, rules, droppedThrough: 1 }), undefined);
  expect(again.events).toEqual(since(events, again.plan.exactFromMs));
});

test("windows from before an accepted loss say nothing of the sequences after it", async () => {
  const before = streamOf(windowsOf(1, ["a"]), startMs + windowMs);
  const events = run(before, rules).events.map((event) => ({
    ...event,
    data: { ...event.data, lastSequence: 9_000 },
  }));
  const fromMs = startMs + 20 * windowMs;
  const stream = Array.from({ length: 10 }, (_, i) => logMessage(i + 1, fromMs + i, "{}"));
  const place = { sequencesFromMs: startMs + windowMs };
  const past = memoryPast({ stream, events, rules, place });
  expect(await planReplay(past, 0, rules, fromMs)).toMatchObject({ fromSequence: 1 });
});

test("the warm-up covers the memory of keys and the retries of publishers", () => {
  const day = { partitions: 1, sessionMemoryMs: 86_400_000 };
  expect(warmUpMs({ ...day, windowMs: 300_000 })).toBe(900_000);
  expect(warmUpMs({ ...day, windowMs: 1_000 })).toBe(62_000);
  expect(warmUpMs({ ...day, windowMs: 7_000 })).toBe(77_000);
});

describe("an audit", () => {
  test("of a log whose memory of tokens was changed finds no difference", async () => {
    const short: Rules = { ...rules, sessionMemoryMs: 2 * windowMs };
    const range = fc.nat(20);
    let changed = 0;
    let sensitive = 0;
    await fc.assert(
      fc.asyncProperty(streams, fc.nat(80), fc.boolean(), range, async (messages, at, grows, i) => {
        const stream = streamOf(messages, endMs);
        const [first, then] = grows ? [short, rules] : [rules, short];
        const { events, changedAtMs } = runChanged(stream, first, then, 1 + (at % stream.length));
        const memoryOf = (endMs: number) =>
          endMs > changedAtMs ? then.sessionMemoryMs : first.sessionMemoryMs;
        const past = memoryPast({ stream, events, rules: then, memoryOf });
        const audit = await auditPartition(past, 0, {});
        expect(audit.differences).toEqual([]);
        expect(audit.events).toBe(events.length);
        if (audit.sessionMemory.length > 1) changed++;
        const fromMs = startMs + i * windowMs;
        expect((await auditPartition(past, 0, { fromMs })).differences).toEqual([]);
        const unaware = memoryPast({ stream, events, rules: then });
        if ((await auditPartition(unaware, 0, {})).differencesTotal > 0) sensitive++;
      }),
      { numRuns: 400 },
    );
    // The streams are such that it matters.
    expect(changed).toBeGreaterThan(100);
    expect(sensitive).toBeGreaterThan(20);
  });

  test("names the first differences and counts all", async () => {
    const names = Array.from({ length: 300 }, (_, i) => `channel ${i}`);
    const messages = windowsOf(6, names);
    const stream = streamOf(messages, startMs + 6 * windowMs);
    const events = run(stream, rules).events.map((event) => ({
      ...event,
      data: { ...event.data, cdn: "2" },
    }));
    const audit = await auditPartition(memoryPast({ stream, events, rules }), 0, {});
    expect(audit.differencesTotal).toBe(1_800);
    expect(audit.differences.length).toBe(1_000);
  });

  const orders: readonly (readonly [positions: number[], found: string[]])[] = [
    [[1, 2, 3, 4, 5, 6], []],
    [[2, 1, 3, 4, 5, 6], ["order 1"]],
    [[1, 2, 4, 5, 6, 7], ["order 4"]],
  ];
  test.each(orders)("of events at the positions %j finds %j", async (positions, expected) => {
    const stream = streamOf(windowsOf(2, ["a", "b", "c"]), startMs + 2 * windowMs);
    const past = memoryPast({ stream, events: run(stream, rules).events, rules });
    const [page = []] = await Array.fromAsync(past.history.sealedEvents(0, 0, endMs));
    const moved = page.map((event, i) => ({ ...event, position: positions[i] ?? 0 }));
    past.history.sealedEvents = async function* () {
      yield moved.sort((a, b) => a.position - b.position);
    };
    const { differences } = await auditPartition(past, 0, {});
    expect(differences.map(({ kind, position }) => `${kind} ${position}`)).toEqual(expected);
  });
});

/** A message for each window, with a payload for each content. */
function windowsOf(count: number, contents: readonly string[]): NaiveMessage[] {
  return Array.from({ length: count }, (_, window) => ({
    timeMs: startMs + window * windowMs,
    publisher: "p",
    number: window + 1,
    payloads: contents.map((content) => ({ ...examplePayload, content })),
  }));
}

/** The events of a stream whose owner got other rules after a message, as a restart gives them. */
function runChanged(stream: readonly LogMessage[], first: Rules, then: Rules, at: number) {
  let partition = new Partition(first, 0);
  const events: DomainEvent[] = [];
  let changedAtMs = Number.POSITIVE_INFINITY;
  for (const message of stream) {
    if (partition.endsWindow(message.timeMs)) {
      events.push(...partition.seal(message.timeMs));
      partition.committed();
    }
    partition.apply(message);
    if (message.sequence !== at) continue;
    const state = partition.save();
    const { sequence, sealedThroughMs } = partition;
    partition = new Partition(then, 0);
    atOnce(partition.restoring(sequence, sealedThroughMs, state));
    for (const { data } of events) {
      const windowEndMs = Date.parse(data.windowEnd);
      atOnce(partition.remembering({ windowEndMs, tokens: data.tokens }));
    }
    changedAtMs = sealedThroughMs;
  }
  return { events, changedAtMs };
}
