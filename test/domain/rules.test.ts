/** How long tokens are remembered, whatever the memory and its generations are. */
import { expect, test } from "bun:test";
import {
  generationOf,
  generationsRemembered,
  type Rules,
  tokenMemoryMs,
} from "../../src/domain/rules.ts";

const windowMs = 1_000;
const memories = Array.from({ length: 399 }, (_, i) => i + 2)
  .flatMap((windows) => [windows, windows + 0.5])
  .map((windows): Rules => ({ windowMs, partitions: 1, sessionMemoryMs: windows * windowMs }));

/** Calls back with the windows of two generations: each may be the last that saw a token. */
function eachWindow(rules: Rules, check: (seen: number) => void): void {
  for (let seen = 0; generationOf(seen, rules) < 2; seen++) check(seen);
}

function isRemembered(seen: number, window: number, rules: Rules): boolean {
  return generationOf(window, rules) - generationOf(seen, rules) <= generationsRemembered(rules);
}

test("a token is remembered for as long as the memory, wherever in its window it was seen", () => {
  for (const rules of memories) {
    eachWindow(rules, (seen) => {
      const lastMs = (seen + 1) * windowMs - 1 + rules.sessionMemoryMs;
      expect(isRemembered(seen, Math.floor(lastMs / windowMs), rules)).toBe(true);
    });
  }
});

test("a restart reads the events of all tokens that are remembered", () => {
  for (const rules of memories) {
    eachWindow(rules, (seen) => {
      const unread = seen + 1 + tokenMemoryMs(rules) / windowMs;
      expect(isRemembered(seen, unread, rules)).toBe(false);
    });
  }
});
