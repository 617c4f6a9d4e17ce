import type { OwnerContext } from "./ownerContext.ts";
import type { PartitionOwner } from "./partitionOwner.ts";
import type { ActorView, ActorViews, OpenWindowView } from "./readPorts.ts";
import { boundsOf, type WindowActor } from "./windowActor.ts";

/** Longer than an owner rests between two readings, and less than a question is waited for, ms. */
const catchUpMsMax = 250;
const pollMs = 4;

/** The actors of a partition as its owner sees them now. */
export function actorViews(owner: PartitionOwner, context: OwnerContext): ActorViews {
  const { rules, workerId } = context;
  const view = (actor: WindowActor): ActorView => ({
    customer: actor.customer,
    content: actor.content,
    partition: owner.partition,
    owner: workerId,
    epoch: owner.epoch,
    state: actor.state,
    window: windowView(actor, rules.windowMs),
  });
  return {
    caughtUp: () => caughtUp(owner, context),
    *all(wanted) {
      for (const actor of owner.state.actors.all()) {
        if (wanted(actor)) yield view(actor);
      }
    },
    find(customer, content) {
      const actor = owner.state.actors.find(customer, content);
      return actor === undefined ? undefined : view(actor);
    },
  };
}

/** Whoever has been told that a payload is stored finds it in its actor. */
async function caughtUp(
  owner: PartitionOwner,
  { streams, clock }: Pick<OwnerContext, "streams" | "clock">,
): Promise<void> {
  const untilMs = clock.monotonic() + catchUpMsMax;
  const asked = streams.state(owner.partition).catch(() => undefined);
  const stream = await Promise.race([asked, clock.sleep(catchUpMsMax)]);
  if (stream === undefined) return;
  while (owner.state.sequence < stream.lastSequence && clock.monotonic() < untilMs) {
    await clock.sleep(pollMs);
  }
}

/** The open window of an actor. */
export function windowView(actor: WindowActor, windowMs: number): OpenWindowView | undefined {
  const tally = actor.window;
  if (tally === undefined) return undefined;
  return { ...boundsOf(actor.lastWindow, windowMs), ...tally.numbers() };
}
