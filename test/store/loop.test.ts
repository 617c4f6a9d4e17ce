import { afterEach, expect, test } from "bun:test";
import { Loop } from "../../src/store/loop.ts";
import { testLog } from "../support/servers.ts";
import { until } from "../support/until.ts";

let loop: Loop | undefined;
afterEach(() => loop?.stop());

function start(turn: () => Promise<"again" | "wait">, pollMs = 60_000): Loop {
  loop = new Loop(turn, { name: "test", pollMs, log: testLog });
  loop.start();
  return loop;
}

test("does in few turns what many notifications tell of, the last one included", async () => {
  let turns = 0;
  let told = 0;
  let done = 0;
  const running = start(async () => {
    turns++;
    done = told;
    return "wait";
  });
  const startMs = performance.now();
  await until(
    () => {
      told++;
      running.wake();
      return performance.now() > startMs + 500;
    },
    { what: "half a second of notifications", intervalMs: 1 },
  );
  await until(() => done === told, { what: "the last one is done" });
  expect(told).toBeGreaterThan(50);
  expect(turns).toBeGreaterThan(2);
  expect(turns).toBeLessThan(25);
});

test("is woken at once when it has rested, and polls when nobody wakes it", async () => {
  let turnedAtMs = 0;
  let turns = 0;
  const running = start(async () => {
    turns++;
    turnedAtMs = performance.now();
    return "wait";
  }, 200);
  await until(() => turns === 2, { what: "it polls" });
  const restedMs = turnedAtMs + 50;
  await until(() => performance.now() > restedMs, { what: "it has rested", intervalMs: 1 });
  const wokenMs = performance.now();
  running.wake();
  await until(() => turns === 3, { what: "it is woken", intervalMs: 1 });
  expect(turnedAtMs - wokenMs).toBeLessThan(100);
});

test("a wake-up during a turn leads to another one; without a rest when there is more", async () => {
  let turns = 0;
  const woken = Promise.withResolvers<void>();
  const running = start(async () => {
    turns++;
    await woken.promise;
    return turns > 1 && turns < 100 ? "again" : "wait";
  });
  running.wake();
  woken.resolve();
  await until(() => turns === 100, { what: "all is done" });
});

test("stops in the middle of a wait", async () => {
  let turns = 0;
  const running = start(async () => {
    turns++;
    return "wait";
  });
  await until(() => turns === 1, { what: "the first turn" });
  await running.stop();
  expect(turns).toBe(1);
});

test("is not woken before its time after a failure", async () => {
  const turnedAtMs: number[] = [];
  const pollMs = 200;
  const running = start(async () => {
    turnedAtMs.push(performance.now());
    throw new Error("no answer");
  }, pollMs);
  await until(
    () => {
      running.wake();
      return turnedAtMs.length === 3;
    },
    { what: "three turns", intervalMs: 1 },
  );
  const [first = 0, second = 0, third = 0] = turnedAtMs;
  // A timer may be a little early.
  expect(Math.min(second - first, third - second)).toBeGreaterThan(pollMs - 5);
});
