import type { PartitionOwner } from "./partitionOwner.ts";
import type { ActorView, ActorViews, OpenWindowView } from "./readPorts.ts";
import { boundsOf, type WindowActor } from "./windowActor.ts";

/** The actors of a partition as its owner sees them now. */
export function actorViews(owner: PartitionOwner, workerId: string, windowMs: number): ActorViews {
  const view = (actor: WindowActor): ActorView => ({
    customer: actor.customer,
    content: actor.content,
    partition: owner.partition,
    owner: workerId,
    epoch: owner.epoch,
    state: actor.state,
    window: windowView(actor, windowMs),
  });
  return {
    *all() {
      for (const actor of owner.delivered().actors.all()) yield view(actor);
    },
    find(customer, content) {
      const actor = owner.delivered().actors.find(customer, content);
      return actor === undefined ? undefined : view(actor);
    },
  };
}

/** The open window of an actor as of its last `deliver`. */
export function windowView(actor: WindowActor, windowMs: number): OpenWindowView | undefined {
  const tally = actor.window;
  if (tally === undefined) return undefined;
  return {
    ...boundsOf(actor.lastWindow, windowMs),
    cdn: tally.cdn.toString(),
    p2p: tally.p2p.toString(),
    sessions: tally.sessions,
    payloads: tally.payloads,
    duplicates: tally.duplicates,
    firstSequence: tally.firstSequence,
    lastSequence: tally.lastSequence,
  };
}
