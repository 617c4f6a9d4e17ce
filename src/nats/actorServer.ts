/** The owner's side of the actor directory: answers for the partitions it owns. */
import type { Msg } from "nats";
import type { Log } from "../log.ts";
import { type ActorReply, type ActorRequest, decodeRequest, encodeReply } from "./actorMessages.ts";
import type { NatsLink } from "./connection.ts";
import { actorSubject } from "./names.ts";

export class ActorServer {
  constructor(
    private readonly link: NatsLink,
    private readonly log: Log,
  ) {}

  /** Answers for a partition from now on, until the function returned is called. */
  serveActors(
    partition: number,
    answer: (request: ActorRequest) => Promise<ActorReply>,
  ): () => void {
    const { connection } = this.link;
    const subscription = connection.subscribe(actorSubject(partition), {
      callback: (error, msg) => {
        if (error !== null || msg.reply === undefined || msg.reply === "") return;
        const request = decodeRequest(msg.data);
        // One that cannot be read comes from another version: silence tells it so.
        if (request === undefined) return;
        void this.#answer(msg, partition, () => answer(request));
      },
    });
    return () => {
      if (!connection.isClosed()) subscription.unsubscribe();
    };
  }

  async #answer(msg: Msg, partition: number, ask: () => Promise<ActorReply>): Promise<void> {
    try {
      const reply = await ask();
      const bytesMax = Math.floor(this.link.payloadBytesMax / 2);
      for (const part of encodeReply(reply, crypto.randomUUID(), bytesMax)) msg.respond(part);
    } catch (error) {
      // Nobody is left to be told when the connection was closed meanwhile.
      if (!this.link.connection.isClosed()) {
        this.log.error("actors cannot be listed", { partition, error });
      }
    }
  }
}
