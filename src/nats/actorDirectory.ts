/** The admin's side of the actor directory: asks the owners of partitions, wherever they run. */
import {
  type ActorDirectory,
  type ActorList,
  type ActorQuery,
  type ActorView,
  PortBusy,
} from "../actors/readPorts.ts";
import { nameKey } from "../domain/actorName.ts";
import { partitionOf } from "../domain/digest.ts";
import { atOnce } from "../domain/pausing.ts";
import { Semaphore } from "../semaphore.ts";
import {
  type ActorReply,
  type ActorRequest,
  answerMs,
  decodeReply,
  encodeRequest,
  type SentActorReply,
} from "./actorMessages.ts";
import { actorKey, firstActors } from "./actorOrder.ts";
import type { NatsLink } from "./connection.ts";
import { actorSubject } from "./names.ts";

/**
 * One list is made at a time, since owners look at all their actors; so many wait, and for longer
 * than two lists take that some owner leaves without an answer.
 */
const listsWaitingMax = 8;
const listWaitMs = 2 * answerMs + 1_000;

export class NatsActorDirectory implements ActorDirectory {
  readonly #lists = new Semaphore(1, listsWaitingMax);

  constructor(
    private readonly link: NatsLink,
    private readonly partitions: number,
    private readonly timeoutMs = answerMs,
  ) {}

  async list(query: ActorQuery): Promise<ActorList> {
    if (!(await this.#lists.acquire(listWaitMs))) {
      throw new PortBusy("Too many lists of actors are asked for at once.");
    }
    try {
      return await this.#list(query);
    } finally {
      this.#lists.release();
    }
  }

  async #list(query: ActorQuery): Promise<ActorList> {
    const asked = this.#partitionsOf(query);
    const answers = await Promise.all(asked.map((partition) => this.#rowsOf(partition, query)));
    const replies = answers.filter((answer) => answer !== undefined);
    const rows = replies.flatMap((reply) => reply.actors);
    const { actors } = atOnce(firstActors(rows, { sort: query.sort, limit: query.limit }));
    const last = rows.length > query.limit ? actors.at(-1) : undefined;
    return {
      actors,
      next: last && actorKey(last, query.sort),
      total: replies.reduce((sum, reply) => sum + reply.total, 0),
      silentPartitions: asked.filter((_, i) => answers[i] === undefined),
    };
  }

  async get(customer: string, content: string): Promise<ActorView | undefined | "silent"> {
    const partition = partitionOf(customer, content, this.partitions);
    const reply = await this.#ask(partition, { kind: "get", customer, content });
    return reply === undefined ? "silent" : reply.actors[0];
  }

  #partitionsOf({ customer, content }: ActorQuery): number[] {
    if (customer !== undefined && content !== undefined) {
      return [partitionOf(customer, content, this.partitions)];
    }
    return Array.from({ length: this.partitions }, (_, partition) => partition);
  }

  /** As many rows as the page may need, request by request. Undefined when the owner is silent. */
  async #rowsOf(partition: number, query: ActorQuery): Promise<ActorReply | undefined> {
    const actors = new Map<string, ActorView>();
    let { after } = query;
    for (;;) {
      // One more than the page holds, to see whether there are more.
      const limit = query.limit + 1 - actors.size;
      const reply = await this.#ask(partition, { kind: "list", query: { ...query, limit, after } });
      if (reply === undefined) return undefined;
      // One whose numbers have changed in between may come again.
      for (const actor of reply.actors) actors.set(nameKey(actor), actor);
      const last = reply.actors.at(-1);
      const isLast = !reply.isCut && reply.actors.length < limit;
      if (last === undefined || isLast || actors.size > query.limit) {
        return { actors: [...actors.values()], total: reply.total };
      }
      after = actorKey(last, query.sort);
    }
  }

  /** Undefined when no owner answers in time: at once, when there is none. */
  async #ask(partition: number, request: ActorRequest): Promise<SentActorReply | undefined> {
    if (!this.link.connected) return undefined;
    const subject = actorSubject(partition);
    const asked = this.link.connection.request(subject, encodeRequest(request), {
      timeout: this.timeoutMs,
    });
    return asked.then(
      (msg) => decodeReply(msg.data),
      () => undefined,
    );
  }
}
