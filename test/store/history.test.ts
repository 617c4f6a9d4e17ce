/** What the store says of the past of a partition. */
import { expect, test } from "bun:test";
import { PostgresHistoryStore } from "../../src/store/history.ts";
import { firstEndMs, freshStore, sealed, Writer, windowMs } from "./support.ts";

const windows = 9;
const actors = 5;

/** The last sequence of an actor in a window: in the order of names it goes up and down. */
function lastSequenceOf(window: number, actor: number): number {
  return window * 100 + ((actor * 37) % 50) + 1;
}

function lastSequencesOf(window: number): number[] {
  return Array.from({ length: actors }, (_, actor) => lastSequenceOf(window, actor));
}

async function filledStore() {
  const store = await freshStore();
  const writer = new Writer(store.partitions, 1);
  for (let window = 0; window < windows; window++) {
    const windowEndMs = firstEndMs + window * windowMs;
    const events = lastSequencesOf(window).map((lastSequence, actor) =>
      sealed({ content: `channel ${actor}`, windowEndMs, lastSequence }),
    );
    await writer.commit(events, { sequence: (window + 1) * 100 });
  }
  return { store, history: new PostgresHistoryStore(store.database) };
}

test("the window that reaches a sequence is found wherever it is", async () => {
  const { store, history } = await filledStore();
  await using _ = store;
  for (let sequence = 1; sequence <= windows * 100; sequence += 7) {
    const expected = Array.from({ length: windows }, (_, window) => window).find(
      (window) => Math.max(...lastSequencesOf(window)) >= sequence,
    );
    const found = await history.windowReaching(1, sequence, Number.NEGATIVE_INFINITY);
    expect(found).toEqual(
      expected === undefined
        ? undefined
        : {
            windowEndMs: firstEndMs + expected * windowMs,
            lastSequence: Math.max(...lastSequencesOf(expected)),
          },
    );
  }
  const later = await history.windowReaching(1, 1, firstEndMs + 3 * windowMs);
  expect(later?.windowEndMs).toBe(firstEndMs + 4 * windowMs);
  expect(await history.windowReaching(2, 1, 0)).toBeUndefined();
});

test("events of a range of windows come by position, page by page", async () => {
  const { store, history } = await filledStore();
  await using _ = store;
  const positions: number[] = [];
  const after = firstEndMs + windowMs;
  for await (const page of history.sealedEvents(1, after, firstEndMs + 4 * windowMs)) {
    positions.push(...page.map(({ position }) => position));
  }
  expect(positions).toEqual(
    Array.from({ length: 3 * actors }, (_, index) => 2 * actors + index + 1),
  );
  const last = await history.lastWindowThrough(1, after + 1);
  expect(last).toEqual({ windowEndMs: after, lastSequence: Math.max(...lastSequencesOf(1)) });
  expect(await history.lastWindowThrough(1, firstEndMs - 1)).toBeUndefined();
});

test("a receipt gets no reason of a stream that it does not belong to", async () => {
  await using store = await freshStore();
  const history = new PostgresHistoryStore(store.database);
  const writer = new Writer(store.partitions, 1);
  const odd = (sequence: number, reason: string) => ({ sequence, index: -1, reason, found: "x" });
  const reasonOf = async (sequence: number) =>
    (await history.quarantined({ partition: 1, sequence, index: 0 }))?.reason;
  await writer.commit([], { sequence: 10 }, [odd(3, "old"), odd(7, "old")]);
  expect(await reasonOf(7)).toBe("old");
  // As an accepted loss leaves it, when the sequences start over.
  const goneOn = (sequence: number) =>
    store.database.run(
      (sql) => sql`
        update partitions set incarnation = 1, sequence = ${sequence} where partition = 1
      `,
    );
  await goneOn(5);
  expect([await reasonOf(3), await reasonOf(7)]).toEqual([undefined, "old"]);
  await goneOn(10);
  await writer.commit([], { sequence: 11 }, [odd(7, "new")]);
  expect([await reasonOf(3), await reasonOf(7)]).toEqual([undefined, "new"]);
});

test("an actor's totals and tokens are those of its own windows, tokens in bounded pages", async () => {
  await using store = await freshStore(1);
  const writer = new Writer(store.partitions, 0);
  // Of 5 MB each, so that three are too many for a page.
  const letters = ["v", "w", "x", "y"];
  for (const [window, letter] of letters.entries()) {
    const windowEndMs = firstEndMs + window * windowMs;
    const numbers = { windowEndMs, cdn: 2n ** 62n, sessions: 3 };
    await writer.commit([
      sealed({ content: "another", windowEndMs, tokens: "o" }),
      sealed({ content: "one", ...numbers, tokens: letter.repeat(5_000_000) }),
    ]);
  }
  const history = new PostgresHistoryStore(store.database);
  const name = { customer: "Customer1", content: "one" };
  const throughMs = firstEndMs + 2 * windowMs;
  const pages = await Array.fromAsync(history.tokensOf(name, firstEndMs - 1, throughMs));
  expect(pages.flat().map(({ tokens }) => tokens[0])).toEqual(["v", "w", "x"]);
  expect(pages[0]).toHaveLength(2);
  const afterFirst = await Array.fromAsync(history.tokensOf(name, firstEndMs, throughMs));
  expect(afterFirst.flat().map(({ tokens }) => tokens[0])).toEqual(["w", "x"]);
  const totals = await history.totals(name, throughMs, Number.MAX_SAFE_INTEGER);
  expect(totals).toMatchObject({ windows: 3, cdn: 3n * 2n ** 62n, sessions: 9n });
});
