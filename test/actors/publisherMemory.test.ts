import { expect, test } from "bun:test";
import { PublisherMemory } from "../../src/actors/publisherMemory.ts";

const dayMs = 24 * 3_600_000;

/** Hears so many publishers, each once. */
function hear(memory: PublisherMemory, prefix: string, count: number, timeMs: number): void {
  for (let i = 0; i < count; i++) memory.advance(`${prefix}${i}`, 1, timeMs);
}

test("of too many publishers those are forgotten that were not heard for the longest time", () => {
  const memory = new PublisherMemory();
  memory.advance("old", 1, 0);
  hear(memory, "a", 4_000, 1);
  memory.advance("old", 2, 2);
  hear(memory, "b", 200, 3);
  expect(memory.save()).toHaveLength(4_096);
  expect(memory.advance("old", 2, 4)).toBe(false);
  expect(memory.advance("a0", 1, 4)).toBe(true);
});

test("a publisher that was not heard for a day is forgotten", () => {
  const memory = new PublisherMemory();
  memory.advance("silent", 1, 0);
  memory.advance("other", 1, dayMs);
  expect(memory.save().map(({ id }) => id)).toEqual(["silent", "other"]);
  memory.advance("other", 2, dayMs + 1);
  expect(memory.save().map(({ id }) => id)).toEqual(["other"]);
});
