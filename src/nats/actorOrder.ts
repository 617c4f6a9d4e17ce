/** Which actors a query asks for, and in which order: the same at the owners and at the admin's. */
import type { ActorFacts, ActorKey, ActorQuery, ActorView } from "../actors/readPorts.ts";
import { type ActorName, byName } from "../domain/actorName.ts";

export function matches(actor: ActorFacts, query: ActorQuery): boolean {
  return (
    (query.customer === undefined || actor.customer === query.customer) &&
    (query.content === undefined || actor.content === query.content) &&
    (query.state === undefined || actor.state === query.state)
  );
}

/** Largest first for numbers, then by customer and content; only those after the key, if any. */
export function sortActors(
  actors: readonly ActorView[],
  sort: ActorQuery["sort"],
  after?: ActorKey,
): ActorView[] {
  const from = after && { name: after, weight: BigInt(after.weight) };
  return actors
    .map((actor) => ({ name: actor, weight: weightOf(actor, sort), actor }))
    .filter((weighed) => from === undefined || byWeight(weighed, from) > 0)
    .sort(byWeight)
    .map(({ actor }) => actor);
}

/** Where the actors after this one begin. */
export function actorKey(actor: ActorView, sort: ActorQuery["sort"]): ActorKey {
  const { customer, content } = actor;
  return { weight: weightOf(actor, sort).toString(), customer, content };
}

interface Weighed {
  readonly name: ActorName;
  readonly weight: bigint;
}

function byWeight(a: Weighed, b: Weighed): number {
  if (a.weight !== b.weight) return a.weight > b.weight ? -1 : 1;
  return byName(a.name, b.name);
}

function weightOf({ window }: ActorView, sort: ActorQuery["sort"]): bigint {
  if (window === undefined || sort === "name") return 0n;
  return sort === "bytes" ? BigInt(window.cdn) + BigInt(window.p2p) : BigInt(window[sort]);
}
