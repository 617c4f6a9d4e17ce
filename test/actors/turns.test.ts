import { expect, test } from "bun:test";
import { systemClock } from "../../src/actors/clock.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";

/** A clock on which every look takes a millisecond. */
function slowClock() {
  let now = 0;
  const log: string[] = [];
  const clock = {
    monotonic: () => now++,
    yield: async () => {
      log.push("others");
    },
    sleep: async () => {
      log.push("rest");
    },
  };
  return { clock, log };
}

function* work(name: string, steps: number, log: string[]): Generator<undefined, string> {
  for (let i = 0; i < steps; i++) {
    log.push(name);
    yield;
  }
  return `${name} is done`;
}

test("work is done one after the other, in slices", async () => {
  const { clock, log } = slowClock();
  const turns = new SlicedTurns(clock, undefined, 2);
  const both = [turns.run(work("a", 3, log)), turns.run(work("b", 2, log))];
  expect(await Promise.all(both)).toEqual(["a is done", "b is done"]);
  expect(log).toEqual(["others", "a", "a", "others", "a", "others", "b", "others", "b"]);
});

test("what follows a turn comes before what has not begun", async () => {
  const { log } = slowClock();
  const turns = new SlicedTurns(systemClock);
  const first = turns.run(work("a", 1, log)).then(async () => {
    await Promise.resolve();
    await turns.runNext(work("after a", 1, log));
  });
  const others = [turns.run(work("b", 1, log)), turns.run(work("c", 1, log))];
  await Promise.all([first, ...others]);
  expect(log).toEqual(["a", "after a", "b", "c"]);
});

test("while devices wait there is a rest after each slice, however many turns it is of", async () => {
  const { clock, log } = slowClock();
  const turns = new SlicedTurns(clock, () => true, 2);
  await Promise.all([turns.run(work("a", 1, log)), turns.run(work("b", 2, log))]);
  expect(log).toEqual(["others", "a", "others", "b", "rest", "b"]);
});

test("work that comes when all is done is done as well", async () => {
  const { clock, log } = slowClock();
  const turns = new SlicedTurns(clock);
  await turns.run(work("a", 1, log));
  expect(await turns.run(work("b", 1, log))).toBe("b is done");
});

test("work that fails holds up nobody", async () => {
  const { clock, log } = slowClock();
  const turns = new SlicedTurns(clock);
  const failing = (function* (): Generator<undefined, string> {
    yield;
    throw new Error("no");
  })();
  const failed = turns.run(failing);
  const next = turns.run(work("next", 1, log));
  await expect(failed).rejects.toThrow("no");
  expect(await next).toBe("next is done");
});
