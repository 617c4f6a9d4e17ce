/** Which actors a query asks for, and in which order: the same at the owners and at the admin's. */
import type { ActorQuery, ActorView, ActorViews } from "../actors/readPorts.ts";
import { byName } from "../domain/actorName.ts";
import type { ActorReply, ActorRequest } from "./actorMessages.ts";

/** An owner's answer, from the views of its actors. One that is asked for by name is up to date. */
export async function answerActors(request: ActorRequest, views: ActorViews): Promise<ActorReply> {
  if (request.kind === "get") {
    await views.caughtUp();
    const actor = views.find(request.customer, request.content);
    return actor === undefined ? { actors: [], total: 0 } : { actors: [actor], total: 1 };
  }
  const matching = [...views.all()].filter((actor) => matches(actor, request.query));
  const rows = sortActors(matching, request.query.sort).slice(0, request.query.limit);
  return { actors: rows, total: matching.length };
}

/** Largest first for numbers, then by customer and content. */
export function sortActors(actors: readonly ActorView[], sort: ActorQuery["sort"]): ActorView[] {
  return actors
    .map((actor) => ({ actor, weight: weightOf(actor, sort) }))
    .sort((a, b) => {
      if (a.weight !== b.weight) return a.weight > b.weight ? -1 : 1;
      return byName(a.actor, b.actor);
    })
    .map(({ actor }) => actor);
}

function matches(actor: ActorView, query: ActorQuery): boolean {
  return (
    (query.customer === undefined || actor.customer === query.customer) &&
    (query.content === undefined || actor.content === query.content) &&
    (query.state === undefined || actor.state === query.state)
  );
}

function weightOf(actor: ActorView, sort: ActorQuery["sort"]): number | bigint {
  const window = actor.window;
  if (sort === "name") return 0;
  if (sort === "bytes") return window === undefined ? 0n : BigInt(window.cdn) + BigInt(window.p2p);
  return window?.[sort] ?? 0;
}
