import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { IdempotencyKeys } from "../../src/actors/idempotencyKeys.ts";
import { hash32 } from "../../src/domain/digest.ts";
import { encodeDigests } from "../../src/domain/digestCodec.ts";
import { DigestTable } from "../../src/domain/digestTable.ts";
import { atOnce } from "../../src/domain/pausing.ts";

const windowMs = 1_000;
const stretchMax = 4;
const startMs = 1_000_000;

interface Sent {
  readonly waitMs: number;
  readonly key: number;
}

function keysOf(key: number) {
  return new Map([[0, { high: key, low: key % 3 }]]);
}

function open(): IdempotencyKeys {
  return new IdempotencyKeys(windowMs, stretchMax);
}

/** What is said of each payload, with a restart from what was saved after some of them. */
function run(list: readonly Sent[], restarts: ReadonlySet<number> = new Set()) {
  let keys = open();
  let timeMs = startMs;
  const answers = list.map(({ waitMs, key }, at) => {
    timeMs += waitMs;
    keys.enter(timeMs);
    const isRepeated = keys.repeated(keysOf(key), 0);
    if (restarts.has(at)) {
      const saved = atOnce(keys.saving());
      keys = open();
      // A checkpoint knows the end of the last window, and not the time of the last message.
      keys.enter(timeMs - (timeMs % windowMs));
      atOnce(keys.restoring(saved));
    }
    return isRepeated;
  });
  return { answers, saved: atOnce(keys.saving()) };
}

function lists(waitMsMax: number, keysMax: number) {
  return fc.array(fc.record({ waitMs: fc.nat(waitMsMax), key: fc.nat(keysMax) }), {
    maxLength: 120,
  });
}

/** Whether the key was seen in this window or the two before it. */
function naive(list: readonly Sent[]): boolean[] {
  const lastWindows = new Map<number, number>();
  let timeMs = startMs;
  return list.map(({ waitMs, key }) => {
    timeMs += waitMs;
    const window = Math.floor(timeMs / windowMs);
    const isRepeated = window - (lastWindows.get(key) ?? Number.NEGATIVE_INFINITY) <= 2;
    lastWindows.set(key, window);
    return isRepeated;
  });
}

describe("idempotency keys", () => {
  test("are known in the window they were seen in and the two after it", () => {
    // No more keys than are always known.
    fc.assert(
      fc.property(lists(3_500, 7), (list) => {
        expect(run(list).answers).toEqual(naive(list));
      }),
      { numRuns: 300 },
    );
  });

  test("are forgotten when there are too many, the oldest first", () => {
    fc.assert(
      fc.property(lists(100, 60), (list) => {
        const expected = naive(list);
        const { answers, saved } = run(list);
        for (const [at, isRepeated] of answers.entries()) {
          const key = list[at]?.key;
          const recent = list.slice(Math.max(0, at - 7 * stretchMax), at);
          const isRecent = recent.some((sent) => sent.key === key);
          // Nothing is taken for a repeat that is none.
          if (isRepeated !== expected[at]) expect([isRepeated, isRecent]).toEqual([false, false]);
        }
        expect(saved.length).toBeLessThanOrEqual(10);
        // Eight characters a word of six bytes, and eight bytes a key.
        for (const [, digests] of saved) expect(digests.length).toBeLessThanOrEqual(44);
      }),
      { numRuns: 300 },
    );
    const many = Array.from({ length: 200 }, (_, key) => ({ waitMs: 0, key }));
    expect(run([...many, { waitMs: 0, key: 0 }]).answers.at(-1)).toBe(false);
    expect(run([...many, { waitMs: 0, key: 200 - 7 * stretchMax }]).answers.at(-1)).toBe(true);
    // The last stretches of two windows hold one key each.
    const first = [...many.slice(0, 5), { waitMs: windowMs, key: 5 }, ...many.slice(6, 10)];
    const later = [{ waitMs: windowMs, key: 10 }, ...many.slice(11, 10 + 7 * stretchMax)];
    expect(run([...first, ...later, { waitMs: 0, key: 10 }]).answers.at(-1)).toBe(true);
  });

  test("are the same over any restarts", () => {
    fc.assert(
      fc.property(lists(900, 40), fc.uniqueArray(fc.nat(120)), (list, restarts) => {
        expect(run(list, new Set(restarts)).answers).toEqual(run(list).answers);
      }),
      { numRuns: 300 },
    );
  });

  test("are restored without long searches, however many one text holds", () => {
    // An older program saved as many as there were, in the order of the slots of its table.
    const table = new DigestTable(0);
    const many = 600_000;
    for (let key = 0; key < many; key++) table.touch(key, hash32(`${key}`, 1));
    const saved = [[3, encodeDigests(table.digests())]] as const;
    const keys = open();
    keys.enter(3 * windowMs);
    // Half a minute, where the table grows while it is filled: longer than a test may take.
    atOnce(keys.restoring(saved));
    const isKnown = (key: number) =>
      keys.repeated(new Map([[0, { high: key, low: hash32(`${key}`, 1) }]]), 0);
    expect([0, 77_777, many - 1, many].map(isKnown)).toEqual([true, true, true, false]);
  }, 5_000);

  test("of an older program, one text a window in any order, are known", () => {
    const saved = [5, 3, 4].map((window) => {
      const keys = open();
      keys.enter(window * windowMs);
      keys.repeated(keysOf(window), 0);
      return atOnce(keys.saving())[0] ?? ([0, ""] as const);
    });
    const keys = open();
    keys.enter(5 * windowMs);
    atOnce(keys.restoring(saved));
    keys.enter(6 * windowMs);
    expect([3, 4, 5].map((key) => keys.repeated(keysOf(key), 0))).toEqual([false, true, true]);
  });
});
