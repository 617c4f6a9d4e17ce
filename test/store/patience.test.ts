import { expect, test } from "bun:test";
import { Patience } from "../../src/store/patience.ts";

function patienceAt(pollMs = 1_000) {
  const time = { now: 0 };
  return { time, patience: new Patience(pollMs, () => time.now) };
}

const work = () => Promise.resolve("rows");

test("a patient projection waits for the others, and for a quiet moment after them", async () => {
  const { time, patience } = patienceAt();
  expect(patience.waitMs()).toBe(0);
  const turn = Promise.withResolvers<string>();
  const urgent = patience.urgent(turn.promise, () => true);
  expect(patience.waitMs()).toBe(20);
  time.now = 50;
  turn.resolve("rows");
  await urgent;
  expect(patience.waitMs()).toBe(200);
  time.now = 250;
  expect(patience.waitMs()).toBe(0);
});

test("turns without events do not count", async () => {
  const { patience } = patienceAt();
  await patience.urgent(work(), () => false);
  expect(patience.waitMs()).toBe(0);
});

test("patience ends, until the projection has caught up", async () => {
  const { time, patience } = patienceAt();
  await patience.urgent(work(), () => true);
  expect(patience.waitMs()).toBe(200);
  for (time.now = 0; time.now < 5_000; time.now += 100) await patience.urgent(work(), () => true);
  expect(patience.waitMs()).toBe(0);
  await patience.urgent(work(), () => true);
  expect(patience.waitMs()).toBe(0);
  patience.caughtUp();
  expect(patience.waitMs()).toBe(200);
});

test("it waits no longer than for a poll", async () => {
  const { patience } = patienceAt(5);
  await patience.urgent(work(), () => true);
  expect(patience.waitMs()).toBe(5);
});
