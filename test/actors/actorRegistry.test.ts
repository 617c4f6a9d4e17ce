import { expect, test } from "bun:test";
import { ActorRegistry } from "../../src/actors/actorRegistry.ts";

test("counts the actors that live", () => {
  const registry = new ActorRegistry(() => true);
  registry.activate("a", "b").lastWindow = 1;
  registry.activate("a", "c").lastWindow = 8;
  registry.activate("a", "b");
  expect(registry.size).toBe(2);
  registry.passivate(10);
  expect(registry.size).toBe(1);
  expect([...registry.all()].map(({ content }) => content)).toEqual(["c"]);
});
