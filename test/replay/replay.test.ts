import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { DomainEvent } from "../../src/domain/events.ts";
import type { Rules } from "../../src/domain/rules.ts";
import { planReplay, warmUpMs } from "../../src/replay/plan.ts";
import { runReplay } from "../../src/replay/run.ts";
import { type Past, tokensOfPartition } from "../../src/replay/sources.ts";
import { arbitraryMessages } from "../support/arbitraryStreams.ts";
import { run, streamOf } from "../support/streams.ts";
import { memoryPast } from "./memoryPast.ts";

const windowMs = 30_000;
const rules: Rules = { windowMs, sessionMemoryMs: 60 * windowMs };
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
    tokens: (afterMs, throughMs) => tokensOfPartition(past, 0, afterMs, throughMs),
    sealed: (sealed) => void events.push(...sealed),
  });
  return { plan, events: since(events, Math.max(fromMs ?? 0, plan.exactFromMs)) };
}

function since(events: readonly DomainEvent[], fromMs: number): DomainEvent[] {
  return events.filter(({ data }) => Date.parse(data.windowStart) >= fromMs);
}

describe("a replay", () => {
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
      { numRuns: 300 },
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

test("the warm-up covers the memory of keys and the retries of publishers", () => {
  expect(warmUpMs({ windowMs: 300_000, sessionMemoryMs: 86_400_000 })).toBe(600_000);
  expect(warmUpMs({ windowMs: 1_000, sessionMemoryMs: 86_400_000 })).toBe(60_000);
  expect(warmUpMs({ windowMs: 7_000, sessionMemoryMs: 86_400_000 })).toBe(63_000);
});
