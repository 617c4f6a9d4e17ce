import { expect, test } from "bun:test";
import { getEventListeners } from "node:events";
import { systemClock } from "../../src/actors/clock.ts";

test("sleeps long, though a timer for more than 24 days fires at once", async () => {
  const ending = new AbortController();
  const long = systemClock.sleep(40 * 86_400_000, ending.signal).then(() => "long");
  const short = systemClock.sleep(50).then(() => "short");
  expect(await Promise.race([long, short])).toBe("short");
  ending.abort();
  expect(await long).toBe("long");
});

test("leaves nothing behind on the signal when it has slept", async () => {
  const { signal } = new AbortController();
  const naps = Promise.all(Array.from({ length: 10 }, () => systemClock.sleep(1, signal)));
  expect(getEventListeners(signal, "abort")).toHaveLength(10);
  await naps;
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
