import { expect, test } from "bun:test";
import { systemClock } from "../../src/actors/clock.ts";

test("sleeps long, though a timer for more than 24 days fires at once", async () => {
  const ending = new AbortController();
  const long = systemClock.sleep(40 * 86_400_000, ending.signal).then(() => "long");
  const short = systemClock.sleep(50).then(() => "short");
  expect(await Promise.race([long, short])).toBe("short");
  ending.abort();
  expect(await long).toBe("long");
});
