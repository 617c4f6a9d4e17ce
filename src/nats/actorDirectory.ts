/** The admin's side of the actor directory: asks the owners of partitions, wherever they run. */
import type { Msg } from "nats";
import type { ActorDirectory, ActorList, ActorQuery, ActorView } from "../actors/readPorts.ts";
import { partitionOf } from "../domain/digest.ts";
import {
  type ActorReply,
  type ActorRequest,
  decodeReplyPart,
  encodeRequest,
} from "./actorMessages.ts";
import { actorKey, sortActors } from "./actorOrder.ts";
import type { NatsLink } from "./connection.ts";
import { actorSubject } from "./names.ts";

/** A timer that is later than this says that its thread was busy. */
const busyMs = 100;

export class NatsActorDirectory implements ActorDirectory {
  constructor(
    private readonly link: NatsLink,
    private readonly partitions: number,
    private readonly timeoutMs = 1_000,
  ) {}

  async list(query: ActorQuery): Promise<ActorList> {
    const asked = this.#partitionsOf(query);
    // One more than the page holds, to see whether there are more.
    const request: ActorRequest = { kind: "list", query: { ...query, limit: query.limit + 1 } };
    const replies = await this.#ask(request, asked);
    const rows = [...replies.values()].flatMap((reply) => reply.actors);
    const actors = sortActors(rows, query.sort).slice(0, query.limit);
    const last = rows.length > query.limit ? actors.at(-1) : undefined;
    return {
      actors,
      next: last && actorKey(last, query.sort),
      total: [...replies.values()].reduce((sum, reply) => sum + reply.total, 0),
      silentPartitions: asked.filter((partition) => !replies.has(partition)),
    };
  }

  async get(customer: string, content: string): Promise<ActorView | undefined | "silent"> {
    const partition = partitionOf(customer, content, this.partitions);
    const replies = await this.#ask({ kind: "get", customer, content }, [partition]);
    const reply = replies.get(partition);
    return reply === undefined ? "silent" : reply.actors[0];
  }

  #partitionsOf({ customer, content }: ActorQuery): number[] {
    if (customer !== undefined && content !== undefined) {
      return [partitionOf(customer, content, this.partitions)];
    }
    return Array.from({ length: this.partitions }, (_, partition) => partition);
  }

  /** The replies that are complete in time, by partition. */
  async #ask(
    request: ActorRequest,
    partitions: readonly number[],
  ): Promise<ReadonlyMap<number, ActorReply>> {
    if (!this.link.connected) return new Map();
    const { connection } = this.link;
    const inbox = `_INBOX.actors.${crypto.randomUUID()}`;
    const done = Promise.withResolvers<void>();
    const collector = new ReplyCollector(partitions, done.resolve);
    const subscription = connection.subscribe(`${inbox}.*`, {
      callback: (error, msg) => {
        if (error === null) collector.add(Number(msg.subject.slice(inbox.length + 1)), msg);
      },
    });
    const askedAtMs = performance.now();
    let timer = setTimeout(() => {
      // This thread was busy itself, perhaps with the answers: they are on their way.
      const wasBusy = performance.now() - askedAtMs > this.timeoutMs + busyMs;
      if (wasBusy) timer = setTimeout(done.resolve, this.timeoutMs);
      else done.resolve();
    }, this.timeoutMs);
    const text = encodeRequest(request);
    for (const partition of partitions) {
      connection.publish(actorSubject(partition), text, { reply: `${inbox}.${partition}` });
    }
    await done.promise;
    clearTimeout(timer);
    if (!connection.isClosed()) subscription.unsubscribe();
    return collector.complete;
  }
}

interface Collected {
  readonly reply: string;
  readonly actors: ActorView[];
}

/** Puts the parts of replies together. */
class ReplyCollector {
  readonly complete = new Map<number, ActorReply>();
  readonly #started = new Map<number, Collected>();
  readonly #open: Set<number>;

  constructor(
    partitions: readonly number[],
    private readonly done: () => void,
  ) {
    this.#open = new Set(partitions);
    if (this.#open.size === 0) done();
  }

  add(partition: number, msg: Msg): void {
    if (!this.#open.has(partition)) return;
    // Nobody listens: the broker says so at once.
    if (msg.data.length === 0) {
      this.#close(partition);
      return;
    }
    const part = decodeReplyPart(msg.data);
    if (part === undefined) return;
    const begun = this.#started.get(partition) ?? { reply: part.reply, actors: [] };
    // While a partition changes hands two owners may answer: the first one counts.
    if (begun.reply !== part.reply) return;
    this.#started.set(partition, begun);
    begun.actors.push(...part.actors);
    if (!part.last) return;
    this.complete.set(partition, { actors: begun.actors, total: part.total });
    this.#close(partition);
  }

  #close(partition: number): void {
    this.#open.delete(partition);
    if (this.#open.size === 0) this.done();
  }
}
