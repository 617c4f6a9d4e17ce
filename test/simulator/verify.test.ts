/** The comparison against random truths: it accepts every possible one, and no spoilt one. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { startsSession } from "../../src/domain/rules.ts";
import { Expectation } from "../../src/simulator/expectation.ts";
import { checkCustomer, type FoundRow } from "../../src/simulator/verify.ts";
import type { Visit } from "../../src/simulator/viewing.ts";

const windowMs = 1_000;
const title = { customer: "c", content: "a" };

const sending = fc.record({
  visit: fc.integer({ min: 0, max: 3 }),
  gapMs: fc.integer({ min: 0, max: 400 }),
  /** From sending to the broker, and from there to the answer. */
  there: fc.integer({ min: 0, max: 1_300 }),
  back: fc.integer({ min: 0, max: 300 }),
  cdn: fc.integer({ min: 0, max: 3 }),
  p2p: fc.integer({ min: 0, max: 3 }),
  sessionDuration: fc.constantFrom(0, 999, 1_000, 5_000),
  fate: fc.constantFrom("acknowledged", "acknowledged", "acknowledged", "unknown", "lost"),
});
type Sending = typeof sending extends fc.Arbitrary<infer Value> ? Value : never;

/** Sends in order per visit, as devices do, and lets a naive model fill the tables. */
function play(sendings: readonly Sending[]) {
  const expectation = new Expectation(windowMs, 0);
  const visits: Visit[] = [{ title }, { title }, { title }, { title }];
  const clocks = [0, 0, 0, 0];
  const received: { atMs: number; token: string; sent: Sending }[] = [];
  for (const sent of sendings) {
    const visit = visits[sent.visit];
    if (visit === undefined) continue;
    const fromMs = (clocks[sent.visit] ?? 0) + sent.gapMs;
    const atMs = fromMs + sent.there;
    const toMs = atMs + sent.back;
    clocks[sent.visit] = toMs;
    const { cdn, p2p, sessionDuration } = sent;
    const token = `${sent.visit}`;
    const payload = { ...title, token, timespan: 30_000, cdn, p2p, sessionDuration };
    const counted = sent.fate === "acknowledged" ? "acknowledged" : "unknown";
    expectation.add(payload, visit, counted, fromMs, toMs);
    if (sent.fate !== "lost") received.push({ atMs, token, sent });
  }
  const rows = new Map<number, { cdn: bigint; p2p: bigint; sessions: bigint }>();
  const seen = new Set<string>();
  for (const { atMs, token, sent } of received.toSorted((a, b) => a.atMs - b.atMs)) {
    const window = Math.floor(atMs / windowMs);
    const row = rows.get(window) ?? { cdn: 0n, p2p: 0n, sessions: 0n };
    const { sessionDuration, cdn, p2p } = sent;
    const starts = startsSession(sessionDuration, seen.has(token), cdn, p2p, { windowMs });
    seen.add(token);
    rows.set(window, {
      cdn: row.cdn + BigInt(cdn),
      p2p: row.p2p + BigInt(p2p),
      sessions: row.sessions + (starts ? 1n : 0n),
    });
  }
  return { expectation, rows };
}

function differences(expectation: Expectation, rows: ReadonlyMap<number, FoundRow>) {
  const found = new Map([[title.content, rows]]);
  const expected = expectation.contents(title.customer);
  return checkCustomer(title.customer, expected, found, windowMs).differences;
}

const manySendings = fc.array(sending, { minLength: 1, maxLength: 60 });

describe("the comparison", () => {
  test("accepts whatever can have happened", () => {
    fc.assert(
      fc.property(manySendings, (sendings) => {
        const { expectation, rows } = play(sendings);
        expect(differences(expectation, rows)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("finds one byte, one session or one row too many or too few", () => {
    const spoils = ["cdn", "p2p", "sessions", "row"] as const;
    const spoil = fc.record({
      at: fc.nat(),
      what: fc.constantFrom(...spoils),
      by: fc.constantFrom(-1n, 1n),
    });
    fc.assert(
      fc.property(manySendings, spoil, (sendings, { at, what, by }) => {
        // Where every fate is known, the sums of tied windows are exact.
        const known = sendings.map((sent): Sending => ({ ...sent, fate: "acknowledged" }));
        const { expectation, rows } = play(known);
        const windows = [...rows.keys()];
        const window = windows[at % windows.length] ?? 0;
        const row = rows.get(window) ?? { cdn: 0n, p2p: 0n, sessions: 0n };
        if (what === "row") {
          fc.pre(row.cdn + row.p2p + row.sessions > 0n);
          rows.delete(window);
        } else {
          fc.pre(row[what] + by >= 0n);
          rows.set(window, { ...row, [what]: row[what] + by });
        }
        expect(differences(expectation, rows)).not.toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("finds bytes that moved to a window they cannot belong to", () => {
    const { expectation, rows } = play([
      ...Array.from({ length: 5 }, (): Sending => {
        const bytes = { cdn: 3, p2p: 0, sessionDuration: 0 } as const;
        return { visit: 0, gapMs: 600, there: 0, back: 0, ...bytes, fate: "acknowledged" };
      }),
    ]);
    const first = rows.get(0);
    const second = rows.get(1);
    if (first === undefined || second === undefined) throw new Error("two windows are needed");
    rows.set(0, { ...first, cdn: first.cdn - 1n });
    rows.set(1, { ...second, cdn: second.cdn + 1n });
    expect(differences(expectation, rows).map(({ column }) => column)).toEqual(["cdn", "cdn"]);
  });
});
