/** Where a partition goes on after a loss, what a retry counts, and what the ledger says. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { systemClock } from "../../src/actors/clock.ts";
import { LedgerWatch } from "../../src/actors/ledgerWatch.ts";
import type { LedgerEntry } from "../../src/actors/operatorPorts.ts";
import type { LogMessage } from "../../src/actors/ports.ts";
import { firstAfter } from "../../src/actors/streamSearch.ts";
import { encodeRetry } from "../../src/domain/envelope.ts";
import { createLog } from "../../src/log.ts";
import { logMessage, run } from "../support/streams.ts";

const start = Date.UTC(2026, 0, 31, 10);
const rules = { windowMs: 300_000, partitions: 1, sessionMemoryMs: 86_400_000 };
const encoder = new TextEncoder();

describe("the place to go on after a loss", () => {
  test("is the first message held that is later, in any stream with any holes", async () => {
    const anyStream = fc.array(fc.record({ wait: fc.nat(3), held: fc.boolean() }), {
      maxLength: 40,
    });
    await fc.assert(
      fc.asyncProperty(anyStream, fc.nat(60), fc.nat(100), async (list, time, first) => {
        let now = 10;
        const messages = new Map<number, LogMessage>();
        for (const [i, { wait, held }] of list.entries()) {
          now += wait;
          const sequence = first + 1 + i;
          const message = { sequence, timeMs: now, time: String(now), data: new Uint8Array() };
          if (held) messages.set(sequence, message);
        }
        const streams = { message: async (_: number, sequence: number) => messages.get(sequence) };
        const state = { created: "", firstSequence: first + 1, lastSequence: first + list.length };
        const expected = [...messages.values()].find((message) => message.timeMs > time);
        const found = await firstAfter(streams, 0, state, String(time));
        expect(found).toBe(expected?.sequence ?? state.lastSequence + 1);
      }),
      { numRuns: 300 },
    );
  });

  test("is the first message held when nothing was read before", async () => {
    const message = { sequence: 5, timeMs: 1, time: "1", data: new Uint8Array() };
    const streams = { message: async (_: number, at: number) => (at === 5 ? message : undefined) };
    const state = { created: "", firstSequence: 4, lastSequence: 6 };
    expect(await firstAfter(streams, 0, state, "")).toBe(5);
  });
});

describe("a retry", () => {
  const text = (number: number, cdn: number) =>
    JSON.stringify({
      v: 1,
      publisher: "p",
      number,
      actors: ["a", "b"],
      payloads: [0, "t", 30_000, 0, cdn, 60_000],
    });
  const retried = (place: string, message: string) => encodeRetry(place, encoder.encode(message));

  test("counts once, also when its publisher has sent later numbers since", () => {
    const messages = [
      text(7, 1),
      retried("0.1", text(5, 10)),
      retried("0.1", text(5, 10)),
      retried("0.2", text(6, 100)),
      text(8, 1_000),
    ];
    const stream = messages.map((message, i) => logMessage(i + 1, start, message));
    const { partition } = run(stream, rules, new Set([2, 3]));
    expect(partition.save().windows[0]).toMatchObject({ cdn: "1111", payloads: 4, duplicates: 1 });
    expect(partition.save().ledger).toMatchObject({ read: 5, duplicates: 1 });
  });

  test("of a retry counts under the last one", () => {
    const inner = retried("0.1", text(1, 1));
    const stream = [
      logMessage(1, start, inner),
      logMessage(2, start, retried("0.9", inner)),
      logMessage(3, start, retried("0.9", inner)),
    ];
    expect(run(stream, rules).partition.save().windows[0]).toMatchObject({
      payloads: 2,
      duplicates: 1,
    });
  });

  test("that cannot be read is quarantined whole", () => {
    const bad = [
      retried("0.1", "{"),
      retried("0.1", `{"v":1,"tick":true}`),
      `{"v":1,"retry":"0.1"}`,
      `{"v":1,"retry":7,"message":""}`,
    ];
    const stream = bad.map((message, i) => logMessage(i + 1, start, message));
    expect(run(stream, rules).partition.save().ledger).toMatchObject({ read: 4, quarantined: 4 });
  });
});

describe("a flood of poison", () => {
  test("is cut to a bound, and asks to be stored", () => {
    const name = "x".repeat(100_000);
    const payloads = Array.from({ length: 200 }, () => [0, "t", 1, 1, 1, 1]).flat();
    const message = { v: 1, publisher: "p", number: 1, actors: [name, "c"], payloads };
    const stream = Array.from({ length: 40 }, (_, i) =>
      logMessage(i + 1, start, JSON.stringify({ ...message, number: i + 1 })),
    );
    const { partition } = run(stream, rules);
    expect(partition.save().ledger.quarantined).toBe(8_000);
    expect(partition.quarantineIsFull).toBe(true);
    const chars = partition.quarantined.reduce((sum, { found }) => sum + found.length, 0);
    expect(chars).toBeLessThan(40 * 400_000);
    partition.committed();
    expect(partition.quarantineIsFull).toBe(false);
  });
});

describe("the watch over the ledger", () => {
  const entry: LedgerEntry = {
    partition: 3,
    sequence: 9,
    position: 2,
    read: 10,
    sealed: 6,
    countedTo: 2,
    open: 1,
    duplicates: 2,
    quarantined: 1,
  };

  test("reads on until all is counted, and logs each change once", async () => {
    const lines: string[] = [];
    const log = createLog(
      "info",
      (line) => lines.push(line),
      () => 0,
    );
    const answers: LedgerEntry[] = [];
    const asked: (readonly LedgerEntry[])[] = [];
    const store = {
      entries: async (since: readonly LedgerEntry[]) => {
        asked.push(since);
        return [answers.length > 1 ? (answers.shift() ?? entry) : (answers[0] ?? entry)];
      },
    };
    const watch = new LedgerWatch(store, systemClock, log);
    expect(watch.check).toMatchObject({ name: "ledger", ok: true });

    answers.push({ ...entry, sealed: 3, countedTo: 1 }, entry);
    const report = await watch.report(false);
    expect(asked).toHaveLength(2);
    expect(asked[1]).toMatchObject([{ countedTo: 1, sealed: 3 }]);
    expect(report).toMatchObject({ balanced: true, total: { read: 10, missing: 0 } });
    expect(watch.check.ok).toBe(true);

    answers[0] = { ...entry, quarantined: 0 };
    for (let i = 0; i < 3; i++) await watch.report(false);
    expect(watch.check).toMatchObject({ ok: false, detail: "3: 1 payloads are nowhere" });
    answers[0] = { ...entry, sealed: 8 };
    await watch.report(true);
    expect(asked.at(-1)).toEqual([]);
    expect(watch.check.detail).toBe("3: 2 payloads too many");
    answers[0] = entry;
    await watch.report(false);
    expect(lines.map((line) => JSON.parse(line).message)).toEqual([
      "the ledger is not balanced",
      "the ledger is not balanced",
      "the ledger is balanced again",
    ]);
  });
});
