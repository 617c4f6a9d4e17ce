import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ActorQuery, ActorView } from "../../src/actors/readPorts.ts";
import { atOnce } from "../../src/domain/pausing.ts";
import { actorKey, firstActors } from "../../src/nats/actorOrder.ts";

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
      const { actors } = atOnce(firstActors(given, { sort, limit: 3 }));
      expect(actors.map(({ content }) => content)).toEqual(["a", "b", "c"]);
    }
  },
);

test("the first ones are those of the whole in order, whatever comes first", () => {
  const payloads = fc.array(fc.nat(50), { maxLength: 2_000 });
  const order = (a: ActorView, b: ActorView) =>
    (b.window?.payloads ?? 0) - (a.window?.payloads ?? 0) || (a.content < b.content ? -1 : 1);
  fc.assert(
    fc.property(payloads, fc.integer({ min: 1, max: 60 }), fc.nat(2_000), (counts, limit, skip) => {
      const all = counts.map((count, i) => actor(`${i}`, { ...empty, payloads: count }));
      const sorted = all.toSorted(order);
      const from = sorted[skip];
      const after = from && actorKey(from, "payloads");
      const found = atOnce(firstActors(all, { sort: "payloads", after, limit }));
      const start = from === undefined ? 0 : skip + 1;
      expect(found).toEqual({ actors: sorted.slice(start, start + limit), total: all.length });
    }),
  );
});
