/** The owner's side of the actor directory: answers for the partitions it owns. */
import type { Msg } from "nats";
import type { ActorQuery, ActorViews, ServeActors } from "../actors/readPorts.ts";
import type { ActorName } from "../domain/actorName.ts";
import type { Log } from "../log.ts";
import { type ActorReply, answerMs, decodeRequest, encodeReply } from "./actorMessages.ts";
import { firstActors, matches } from "./actorOrder.ts";
import type { NatsLink } from "./connection.ts";
import { actorSubject } from "./names.ts";

/** Does work that pauses. */
interface Slices {
  run<Result>(work: Generator<undefined, Result>): Promise<Result>;
}

export class ActorServer {
  /** All partitions are asked at once, and each may have thousands of actors: one at a time. */
  #lists: Promise<unknown> = Promise.resolve();

  /** @param slices payloads that arrive have their turns in between. */
  constructor(
    private readonly link: NatsLink,
    private readonly log: Log,
    private readonly slices: Slices,
  ) {}

  readonly serveActors: ServeActors = (partition, views) => {
    const { connection } = this.link;
    const subscription = connection.subscribe(actorSubject(partition), {
      callback: (error, msg) => {
        if (error === null) void this.#answer(msg, partition, views);
      },
    });
    return () => {
      if (!connection.isClosed()) subscription.unsubscribe();
    };
  };

  /** Undefined when nobody waits for it any more by the time it is its turn. */
  #list(query: ActorQuery, views: ActorViews): Promise<ActorReply | undefined> {
    const askedMs = performance.now();
    const list = this.#lists.then(() => {
      if (performance.now() - askedMs > answerMs) return undefined;
      const matching = views.all((actor) => matches(actor, query));
      return this.slices.run(firstActors(matching, query));
    });
    this.#lists = list.catch(() => {});
    return list;
  }

  async #answer(msg: Msg, partition: number, views: ActorViews): Promise<void> {
    const request = decodeRequest(msg.data);
    // One that cannot be read comes from another version: silence tells it so.
    if (request === undefined) return;
    try {
      const isList = request.kind === "list";
      const reply = await (isList ? this.#list(request.query, views) : findActor(request, views));
      if (reply === undefined) return;
      msg.respond(encodeReply(reply, Math.floor(this.link.payloadBytesMax / 2)));
    } catch (error) {
      // Nobody is left to be told when the connection was closed meanwhile.
      if (!this.link.connection.isClosed()) {
        this.log.error("actors cannot be listed", { partition, error });
      }
    }
  }
}

/** One that is asked for by name is up to date. */
async function findActor(name: ActorName, views: ActorViews): Promise<ActorReply> {
  await views.caughtUp();
  const actor = views.find(name.customer, name.content);
  return actor === undefined ? { actors: [], total: 0 } : { actors: [actor], total: 1 };
}
