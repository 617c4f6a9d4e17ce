/** The owner's side of the actor directory: answers for the partitions it owns. */
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
  serveActors(partition: number, answer: (request: ActorRequest) => ActorReply): () => void {
    const { connection } = this.link;
    const subscription = connection.subscribe(actorSubject(partition), {
      callback: (error, msg) => {
        if (error !== null || msg.reply === undefined || msg.reply === "") return;
        const request = decodeRequest(msg.data);
        // One that cannot be read comes from another version: silence tells it so.
        if (request === undefined) return;
        try {
          const bytesMax = Math.floor(this.link.payloadBytesMax / 2);
          const parts = encodeReply(answer(request), crypto.randomUUID(), bytesMax);
          for (const part of parts) msg.respond(part);
        } catch (cause) {
          // An error thrown here would end the client's reader.
          this.log.error("actors cannot be listed", { partition, error: cause });
        }
      },
    });
    return () => {
      if (!connection.isClosed()) subscription.unsubscribe();
    };
  }
}
