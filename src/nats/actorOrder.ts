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

/** So many are looked at between two pauses, and sorted beside those that are kept. */
const stepActors = 256;

/**
 * The first `limit` actors, of those after the key if there is one, and how many there are in all;
 * with pauses. Largest first for numbers, then by customer and content.
 */
export function* firstActors(
  actors: Iterable<ActorView>,
  { sort, after, limit }: Pick<ActorQuery, "sort" | "after" | "limit">,
): Generator<undefined, { actors: ActorView[]; total: number }> {
  yield;
  const from = after && { name: after, weight: BigInt(after.weight) };
  let first: (Weighed & { readonly name: ActorView })[] = [];
  /** Whoever comes after it is not among the first. */
  let last: Weighed | undefined;
  let total = 0;
  for (const actor of actors) {
    if (++total % stepActors === 0) yield;
    const weighed = { name: actor, weight: weightOf(actor, sort) };
    if (from !== undefined && byWeight(weighed, from) <= 0) continue;
    if (last !== undefined && byWeight(weighed, last) >= 0) continue;
    first.push(weighed);
    if (first.length < limit + stepActors) continue;
    first = first.sort(byWeight).slice(0, limit);
    last = first.at(-1);
  }
  const sorted = first.sort(byWeight).slice(0, limit);
  return { actors: sorted.map(({ name }) => name), total };
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
