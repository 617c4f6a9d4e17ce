/**
 * One ephemeral pull consumer on a partition's stream, from a sequence on, without acknowledgement.
 *
 * It asks for messages itself and not with the client's `consume()`, because the bytes under way
 * must be bounded whatever the size of the messages, a missed heartbeat must end the consumer and
 * not repair it in silence, and a timestamp must not pass through a double.
 *
 * One request is out at a time, and another one that was replaced shortly before it expires. With
 * `no_wait` and `expires` together it waits for a first message, gives all that there is, and ends
 * with a status as soon as it has come to the end of the stream. The next one then rests: a message
 * that is delivered alone costs the server and us about as much as a burst of them does. So a lone
 * message is delivered at once, and of many those of `restMs` together.
 */
import { AckPolicy, DeliverPolicy, type Msg, nanos, ReplayPolicy, type Subscription } from "nats";
import type { LogMessage, MessageIdentity } from "../actors/ports.ts";
import { inTime } from "../inTime.ts";
import { millisOf, parseDelivery } from "./brokerTime.ts";
import type { NatsLink } from "./connection.ts";

export interface PullLimits {
  /** The most that one request asks for. */
  readonly requestBytes: number;
  readonly requestMessages: number;
  /** How often the server says that a request is still known when it has nothing to send. */
  readonly heartbeatMs: number;
  /** The least time from one request to the next, unless there is more to be had at once. */
  readonly restMs: number;
  /** How long the server keeps a request that nothing comes for; twice `heartbeatMs` and more. */
  readonly expiresMs: number;
}

interface PullEvents {
  /** A message, in the order of the stream. */
  message(message: LogMessage): void;
  /** A request has ended, and its rest is over: it is time to pull again. */
  room(): void;
  /** The consumer is of no more use. Called at most once, and never after `close`. */
  lost(reason: string): void;
}

interface PullRequest {
  /** The last part of its reply subject, by which its end is known; messages do not tell it. */
  readonly id: string;
  readonly sentAtMs: number;
  messagesLeft: number;
  bytesLeft: number;
}

/**
 * A request counts as ended when so much of its time is over, and another one takes its place:
 * nats-server 2.9 may drop an expired request without a word, and with none left it would be silent
 * until the next heartbeat is missed.
 */
const expiryPart = 5 / 6;
const monitorMs = 1_000;
/** An ephemeral consumer that nobody pulls from for this long is removed by the server. */
const inactiveMs = 60_000;
/** How long to wait for the removal of a consumer at the server. */
const removalMs = 1_000;

/** Creates the consumer at the server. The caller pulls, and closes. */
export async function openPullConsumer(
  link: NatsLink,
  stream: string,
  fromSequence: number,
  limits: PullLimits,
  events: PullEvents,
): Promise<PullConsumer> {
  const info = await link.manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: fromSequence,
    replay_policy: ReplayPolicy.Instant,
    inactive_threshold: nanos(inactiveMs),
    // It holds nothing that is worth keeping: a lost consumer is replaced by another one.
    mem_storage: true,
    num_replicas: 1,
  });
  return new PullConsumer(link, stream, info.name, limits, events);
}

export class PullConsumer {
  /** The request that is out; undefined between two. */
  #request: PullRequest | undefined;
  #requests = 0;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #monitor: ReturnType<typeof setInterval>;
  /** Runs while the next request rests. */
  #rest: ReturnType<typeof setTimeout> | undefined;
  #heardAtMs = performance.now();
  #closed = false;
  /** The next message is larger than a request: ask for it alone, without a bound on bytes. */
  #oversized = false;

  constructor(
    private readonly link: NatsLink,
    private readonly stream: string,
    private readonly name: string,
    private readonly limits: PullLimits,
    private readonly events: PullEvents,
  ) {
    this.#inbox = `_INBOX.pull.${stream}.${crypto.randomUUID()}`;
    this.#subscription = link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => {
        if (error !== null) this.#lose(error.message);
        else this.#arrived(msg);
      },
    });
    this.#monitor = setInterval(
      () => {
        this.#checkHeartbeat();
        this.#replaceExpiring();
      },
      Math.min(monitorMs, limits.heartbeatMs),
    );
  }

  /** Asks for more, if there is room for what a request may bring, and if none is out or rests. */
  pull(room: number): void {
    const { requestBytes, requestMessages, heartbeatMs, expiresMs } = this.limits;
    if (this.#closed || this.#request !== undefined || this.#rest !== undefined) return;
    if (room < requestBytes) return;
    const batch = this.#oversized ? 1 : requestMessages;
    const request = {
      batch,
      ...(!this.#oversized && { max_bytes: requestBytes }),
      no_wait: true,
      expires: nanos(expiresMs),
      idle_heartbeat: nanos(heartbeatMs),
    };
    const id = String(++this.#requests);
    const sentAtMs = performance.now();
    this.#heardAtMs = sentAtMs;
    const bytesLeft = this.#oversized ? Number.POSITIVE_INFINITY : requestBytes;
    this.#request = { id, sentAtMs, messagesLeft: batch, bytesLeft };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${this.name}`;
    const reply = `${this.#inbox}.${id}`;
    try {
      this.link.connection.publish(subject, JSON.stringify(request), { reply });
    } catch {
      this.#lose("the connection is closed");
    }
  }

  /** Idempotent. Removing it at the server is a courtesy: it would be removed in time. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#monitor);
    clearTimeout(this.#rest);
    if (this.link.connection.isClosed()) return;
    this.#subscription.unsubscribe();
    if (!this.link.connected) return;
    const removal = this.link.manager.consumers.delete(this.stream, this.name);
    await inTime(removal, removalMs).catch(() => {});
  }

  #arrived(msg: Msg): void {
    if (this.#closed) return;
    this.#heardAtMs = performance.now();
    const reply = msg.reply ?? "";
    const delivery = parseDelivery(reply);
    if (delivery !== undefined) this.#deliver(delivery, msg);
    else if (reply === "") this.#status(msg);
    else this.#lose(`unreadable delivery ${reply}`);
  }

  #deliver({ sequence, time }: MessageIdentity, { subject, reply = "", data }: Msg): void {
    this.#oversized = false;
    this.events.message({ sequence, time, timeMs: millisOf(time), data });
    const request = this.#request;
    if (request === undefined) return;
    request.messagesLeft--;
    // As the server counts, which says nothing when a request is used up exactly.
    request.bytesLeft -= subject.length + reply.length + data.length;
    if (request.messagesLeft <= 0 || request.bytesLeft <= 0) this.#ended(0);
  }

  /** Heartbeats, the end of a request, or the end of the consumer. */
  #status(msg: Msg): void {
    const code = msg.headers?.code ?? 0;
    const description = msg.headers?.description ?? "";
    if (code === 100) return;
    const tooLarge = code === 409 && /exceeds maxbytes/i.test(description);
    // Servers from 2.10 on say so of a request that is used up.
    const usedUp = tooLarge || (code === 409 && /batch completed/i.test(description));
    if (code !== 408 && code !== 404 && !usedUp) {
      this.#lose(`${code} ${description}`);
      return;
    }
    const request = this.#request;
    // The end of one that was replaced says nothing.
    if (request !== undefined && msg.subject.endsWith(`.${request.id}`)) {
      const hasBrought = request.messagesLeft < this.limits.requestMessages;
      if (tooLarge && !hasBrought) this.#oversized = true;
      this.#ended(usedUp ? 0 : request.sentAtMs + this.limits.restMs - performance.now());
    }
  }

  /** The request is over; the next one may be sent after so many milliseconds. */
  #ended(restMs: number): void {
    this.#request = undefined;
    if (restMs <= 0) {
      this.events.room();
      return;
    }
    this.#rest = setTimeout(() => {
      this.#rest = undefined;
      this.events.room();
    }, restMs);
  }

  /** Without a request the server has nothing to say, and silence means nothing. */
  #checkHeartbeat(): void {
    if (this.#request === undefined) return;
    const silentMs = performance.now() - this.#heardAtMs;
    if (silentMs > 2.5 * this.limits.heartbeatMs) {
      this.#lose(`nothing heard for ${Math.round(silentMs)} ms`);
    }
  }

  #replaceExpiring(): void {
    if (this.#request === undefined || this.#closed) return;
    const ageMs = performance.now() - this.#request.sentAtMs;
    if (ageMs < this.limits.expiresMs * expiryPart) return;
    this.#ended(0);
  }

  #lose(reason: string): void {
    if (this.#closed) return;
    void this.close();
    this.events.lost(reason);
  }
}
