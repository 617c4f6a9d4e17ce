/** The owner's side of the actor directory: answers for the partitions it owns. */
import type { Msg } from "nats";
import type { ActorViews, ServeActors } from "../actors/readPorts.ts";
import type { Log } from "../log.ts";
import { type ActorReply, type ActorRequest, decodeRequest, encodeReply } from "./actorMessages.ts";
import { matches, sortActors } from "./actorOrder.ts";
import type { NatsLink } from "./connection.ts";
import { actorSubject } from "./names.ts";

export class ActorServer {
  /** All partitions are asked at once, and each may have thousands of actors. */
  #lists = Promise.resolve();

  /** @param slices payloads that arrive have their turns in between. */
  constructor(
    private readonly link: NatsLink,
    private readonly log: Log,
    private readonly slices: { pause(): Promise<void> },
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

  /** The lists before this one are made when it resolves. */
  #turn(): Promise<void> {
    this.#lists = this.#lists.then(() => this.slices.pause());
    return this.#lists;
  }

  async #answer(msg: Msg, partition: number, views: ActorViews): Promise<void> {
    const request = decodeRequest(msg.data);
    // One that cannot be read comes from another version: silence tells it so.
    if (request === undefined) return;
    try {
      if (request.kind === "list") await this.#turn();
      const reply = await answerActors(request, views);
      msg.respond(encodeReply(reply, Math.floor(this.link.payloadBytesMax / 2)));
    } catch (error) {
      // Nobody is left to be told when the connection was closed meanwhile.
      if (!this.link.connection.isClosed()) {
        this.log.error("actors cannot be listed", { partition, error });
      }
    }
  }
}

/** From the views of an owner's actors. One that is asked for by name is up to date. */
async function answerActors(request: ActorRequest, views: ActorViews): Promise<ActorReply> {
  if (request.kind === "get") {
    await views.caughtUp();
    const actor = views.find(request.customer, request.content);
    return actor === undefined ? { actors: [], total: 0 } : { actors: [actor], total: 1 };
  }
  const matching = [...views.all((actor) => matches(actor, request.query))];
  const { sort, after, limit } = request.query;
  return { actors: sortActors(matching, sort, after).slice(0, limit), total: matching.length };
}
