import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Partition } from "../../src/actors/partition.ts";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import { atOnce } from "../../src/domain/pausing.ts";
import type { Rules } from "../../src/domain/rules.ts";
import { type NaiveMessage, type NaivePayload, naiveRows } from "../support/naiveModel.ts";
import { logMessage, rowsOf, run, streamOf } from "../support/streams.ts";

const windowMs = 5_000;
const memoryWindows = 20;
const rules: Rules = { windowMs, partitions: 1, sessionMemoryMs: memoryWindows * windowMs };
const start = 1_800_000_000_000;

function payload(fields: Partial<NaivePayload> = {}): NaivePayload {
  return {
    token: "token-1",
    customer: "Customer1",
    content: "channel1",
    timespan: 30_000,
    p2p: 0,
    cdn: 1,
    sessionDuration: 2,
    ...fields,
  };
}

/** One message a payload, `at` ms after the start. */
function messages(...payloads: (readonly [at: number, NaivePayload])[]): NaiveMessage[] {
  return payloads.map(([at, one], i) => ({
    timeMs: start + at,
    publisher: "p",
    number: i + 1,
    payloads: [one],
  }));
}

function sessionsByWindow(...payloads: (readonly [at: number, NaivePayload])[]): number[] {
  const list = messages(...payloads);
  const { events } = run(streamOf(list, start + 1_000 * windowMs), rules);
  expect(rowsOf(events)).toEqual(naiveRows(list, windowMs, memoryWindows));
  return events.map((event) => event.data.sessions);
}

/** The tokens of an event that holds this payload alone. */
function tokensOf(one: NaivePayload): string {
  const { events } = run(streamOf(messages([0, one]), start + windowMs), rules);
  return events[0]?.data.tokens ?? "";
}

describe("the session rule", () => {
  const w = windowMs;
  test("a new token of a young session starts a session", () => {
    expect(sessionsByWindow([0, payload()])).toEqual([1]);
  });
  test("a token seen in this window does not", () => {
    expect(sessionsByWindow([0, payload()], [1, payload()])).toEqual([1]);
  });
  test("a token seen in the last window does not", () => {
    expect(sessionsByWindow([0, payload()], [w, payload()])).toEqual([1, 0]);
  });
  test("a token seen 20 windows ago is still remembered, 21 windows ago no more", () => {
    expect(sessionsByWindow([0, payload()], [20 * w, payload()])).toEqual([1, 0]);
    expect(sessionsByWindow([0, payload()], [21 * w, payload()])).toEqual([1, 1]);
  });
  test("a token out of an event belongs to the longer window that holds the event's", () => {
    const hours: Rules = { ...rules, windowMs: 12 * windowMs, sessionMemoryMs: 24 * windowMs };
    const at = (window: number) => Math.ceil(start / hours.windowMs + window) * hours.windowMs;
    const again = messages([at(3) - 1 - start, payload()]);
    const sessionsAfter = (windowEndMs: number) => {
      const partition = new Partition(hours, 0);
      atOnce(partition.restoring(0, at(2), { ...emptyPartitionState, timeMs: at(2) }));
      atOnce(partition.remembering({ windowEndMs, tokens: tokensOf(payload()) }));
      for (const message of streamOf(again, at(3)).slice(0, 1)) partition.apply(message);
      return partition.seal(at(3))[0]?.data.sessions;
    };
    expect(sessionsAfter(at(0) + windowMs)).toBe(0);
    expect(sessionsAfter(at(0))).toBe(1);
  });

  test("a token is remembered as long over a restart, up to the last window", () => {
    const generations: Rules = { ...rules, sessionMemoryMs: 48 * w };
    for (let windows = 45; windows <= 52; windows++) {
      const between = payload({ token: "between" });
      const list = messages([0, payload()], [windows * w, between], [windows * w + 1, payload()]);
      const stream = streamOf(list, start * 2);
      const { events } = run(stream, generations);
      expect(events[1]?.data.sessions).toBe(windows < 50 ? 1 : 2);
      expect(run(stream, generations, new Set([2])).events).toEqual(events);
    }
  });

  test("being seen again keeps a token remembered", () => {
    const old = payload({ sessionDuration: 10 * w });
    expect(sessionsByWindow([0, payload()], [15 * w, old], [30 * w, payload()])).toEqual([1, 0, 0]);
  });
  test("every payload without bytes of a young session counts, also of a known token", () => {
    const zero = payload({ cdn: 0 });
    expect(sessionsByWindow([0, zero], [1, zero], [w, zero])).toEqual([2, 1]);
  });
  test("a session as old as a window does not count, one millisecond younger does", () => {
    expect(sessionsByWindow([0, payload({ sessionDuration: w })])).toEqual([0]);
    expect(sessionsByWindow([0, payload({ sessionDuration: w - 1 })])).toEqual([1]);
    expect(sessionsByWindow([0, payload({ sessionDuration: w, cdn: 0 })])).toEqual([0]);
  });
  test("the same token in two contents makes two sessions", () => {
    expect(sessionsByWindow([0, payload()], [1, payload({ content: "other" })])).toEqual([1, 1]);
  });
});

describe("windows", () => {
  test("start-inclusive and end-exclusive", () => {
    const { events } = run(
      streamOf(messages([windowMs - 1, payload()], [windowMs, payload({ cdn: 5 })]), start * 2),
      rules,
    );
    expect(events.map((event) => [event.data.windowEnd, event.data.cdn])).toEqual([
      [new Date(start + windowMs).toISOString(), "1"],
      [new Date(start + 2 * windowMs).toISOString(), "5"],
    ]);
  });
  test("a broker clock that steps back moves nothing into a sealed window", () => {
    const list = messages([windowMs, payload()], [0, payload({ cdn: 5 })]);
    const { events } = run(streamOf(list, start * 2), rules);
    expect(events.map((event) => event.data.cdn)).toEqual(["6"]);
  });
  test("sums are exact up to the end of int64, and what would leave it is quarantined", () => {
    const most = Number.MAX_SAFE_INTEGER;
    const payloads = Array.from({ length: 1_025 }, () => payload({ cdn: most, p2p: most }));
    const list = [{ timeMs: start, publisher: "p", number: 1, payloads }];
    const { events, partition } = run(streamOf(list, start + windowMs), rules);
    expect(events[0]?.data.cdn).toBe((1_024n * BigInt(most)).toString());
    expect(events[0]?.data.payloads).toBe(1_024);
    expect(partition.save().ledger.quarantined).toBe(1);
  });
});

test("a window knows the first and the last message that it counts payloads of", () => {
  const key = "the same";
  const stream = streamOf(
    messages(
      [0, payload({ token: "a", key })],
      // Only repeats in this window, and then some that count.
      [windowMs, payload({ token: "a", key })],
      [windowMs + 1, payload({ token: "b" })],
      [windowMs + 2, payload({ token: "c" })],
      [windowMs + 3, payload({ token: "a", key })],
    ),
    start + 2 * windowMs,
  );
  const found = run(stream, rules).events.map(({ data }) => data);
  expect(found).toMatchObject([
    { firstSequence: 1, lastSequence: 1 },
    { firstSequence: 3, lastSequence: 4, payloads: 2, duplicates: 2 },
  ]);
});

test("a state of before retries were kept is restored", () => {
  const { retries: _, ...state } = emptyPartitionState;
  const partition = new Partition(rules, 0);
  atOnce(partition.restoring(0, start, state));
  expect(partition.save().retries).toEqual([]);
});

test("an actor that is restored with its window is one of the current window", () => {
  const stream = streamOf(messages([0, payload()]), start + 1);
  const { partition } = run(stream, rules, new Set([stream.length]));
  const found = [...partition.actors.all()].map(({ lastWindow }) => lastWindow);
  expect(found).toEqual([partition.windowIndex]);
});

describe("what cannot be applied", () => {
  const bad: readonly (readonly [string, string])[] = [
    ["no JSON", "{"],
    ["no envelope", "7"],
    ["an unknown version", `{"v":2}`],
    ["half a payload", `{"v":1,"publisher":"p","number":1,"actors":["a","b"],"payloads":[0,"t"]}`],
    ["a number of no message", `{"v":1,"publisher":"p","number":-1,"actors":[],"payloads":[]}`],
  ];
  test.each(bad)("a message with %s is quarantined whole", (_, text) => {
    const { partition } = run([logMessage(1, start, text)], rules);
    expect(partition.save().ledger).toEqual({ read: 1, sealed: 0, duplicates: 0, quarantined: 1 });
  });
  test("nesting too deep to be turned into anything is quarantined, and the partition goes on", () => {
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const frame = (payloads: string, actors = `["C","x"]`) =>
      `{"v":1,"publisher":"p","number":1,"actors":${actors},"payloads":[${payloads}]}`;
    const odd = [
      frame(`${deep},"t",1,1,1,1`),
      frame(`0,${deep},1,1,1,1`),
      frame(`0,"t",1,${deep},1,1`),
      frame(`0,"t",${deep},1,2,3`),
      frame(`0,"t",1,1,1,1`, `["C",${deep}]`),
      `{"v":1,"publisher":${deep},"number":1,"actors":[],"payloads":[]}`,
      `{"v":${deep}}`,
      deep,
    ];
    const stream = odd.map((text, i) => logMessage(i + 1, start, text));
    const { partition } = run(stream, rules);
    const { ledger } = partition.save();
    expect(ledger).toMatchObject({ read: odd.length, quarantined: odd.length });
    expect(partition.quarantined[3]).toMatchObject({
      reason: "the payload is malformed",
      index: 0,
    });
  });
  test("an actor of another partition is quarantined, and is sealed nowhere twice", () => {
    const partition = new Partition({ ...rules, partitions: 16 }, 3);
    const [stream] = streamOf(
      [
        {
          timeMs: start,
          publisher: "p",
          number: 1,
          payloads: [payload(), payload({ content: "not of partition 3" })],
        },
      ],
      start,
    );
    if (stream === undefined) throw new Error("the stream has a message");
    partition.seal(start);
    partition.committed();
    partition.apply(stream);
    const { ledger, windows } = partition.save();
    expect(ledger).toMatchObject({ read: 2, quarantined: 1 });
    expect(windows.map(({ content }) => content)).toEqual(["channel1"]);
  });
  test("a malformed payload is quarantined, its neighbours count", () => {
    const rows = [0, "t", 1, 2, 3, 4, 0, "t", 1, -2, 3, 4, 7, "t", 1, 2, 3, 4];
    const text = JSON.stringify({
      v: 1,
      publisher: "p",
      number: 1,
      actors: ["a", "b"],
      payloads: rows,
    });
    const partition = run([logMessage(1, start, text)], rules).partition;
    expect(partition.save().ledger).toEqual({ read: 3, sealed: 0, duplicates: 0, quarantined: 2 });
    expect(partition.save().windows[0]?.cdn).toBe("3");
  });
});

// Few names and tokens, so that they meet often; some message numbers and keys repeat.
const arbitraryPayload: fc.Arbitrary<NaivePayload> = fc.record({
  token: fc.constantFrom("a", "b", "c", "d"),
  customer: fc.constantFrom("x", "__proto__", "constructor"),
  content: fc.constantFrom("1", "2"),
  timespan: fc.constant(30_000),
  p2p: fc.oneof(fc.constant(0), fc.nat(1_000)),
  cdn: fc.oneof(fc.constant(0), fc.nat(1_000)),
  sessionDuration: fc.constantFrom(0, windowMs - 1, windowMs, 10 * windowMs),
  key: fc.option(fc.constantFrom("k1", "k2", "k3"), { nil: undefined, freq: 4 }),
});
const arbitraryMessages: fc.Arbitrary<NaiveMessage[]> = fc
  .array(
    fc.record({
      wait: fc.oneof(fc.nat(windowMs), fc.integer({ min: -3_000, max: 30 * windowMs })),
      publisher: fc.constantFrom("p", "q"),
      repeat: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      payloads: fc.array(arbitraryPayload, { maxLength: 8 }),
    }),
    { maxLength: 60 },
  )
  .map((list) => {
    let timeMs = start;
    let number = 1;
    return list.map(({ wait, publisher, repeat, payloads }) => {
      timeMs += wait;
      if (!repeat) number++;
      return { timeMs, publisher, number, payloads };
    });
  });

describe("random streams", () => {
  test("equal the naive model, and every payload read is accounted for", () => {
    fc.assert(
      fc.property(arbitraryMessages, (list) => {
        const { events } = run(streamOf(list, start * 2), rules);
        expect(rowsOf(events)).toEqual(naiveRows(list, windowMs, memoryWindows));
      }),
      { numRuns: 500 },
    );
  });
  test("give the same events over any restarts from checkpoint and events", () => {
    const memory = fc.constantFrom(2, memoryWindows, 50, 300);
    const restarts = fc.uniqueArray(fc.nat(60));
    fc.assert(
      fc.property(arbitraryMessages, restarts, memory, (list, restartAt, windows) => {
        const stream = streamOf(list, start * 2);
        const other: Rules = { ...rules, sessionMemoryMs: windows * windowMs };
        const { events } = run(stream, other);
        expect(run(stream, other, new Set(restartAt)).events).toEqual(events);
      }),
      { numRuns: 300 },
    );
  });
});
