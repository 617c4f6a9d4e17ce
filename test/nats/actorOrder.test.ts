import { expect, test } from "bun:test";
import type { ActorQuery, ActorView } from "../../src/actors/readPorts.ts";
import { sortActors } from "../../src/nats/actorOrder.ts";

function actor(content: string, window: ActorView["window"]): ActorView {
  const state = window === undefined ? "idle" : "open";
  return { customer: "c", content, partition: 0, owner: "o", epoch: 1, state, window };
}

const empty = {
  windowStart: "2026-01-02T03:00:00.000Z",
  windowEnd: "2026-01-02T03:05:00.000Z",
  cdn: "0",
  p2p: "0",
  sessions: 0,
  payloads: 0,
  duplicates: 0,
  firstSequence: 1,
  lastSequence: 1,
};

test.each<ActorQuery["sort"]>(["bytes", "payloads", "sessions", "name"])(
  "by %s, an idle actor and one whose window holds nothing go by their names",
  (sort) => {
    const actors = [actor("a", undefined), actor("b", empty), actor("c", undefined)];
    for (const given of [actors, actors.toReversed()]) {
      expect(sortActors(given, sort).map(({ content }) => content)).toEqual(["a", "b", "c"]);
    }
  },
);
