/**
 * One ephemeral pull consumer on a partition's stream, from a sequence on, without acknowledgement.
 *
 * It asks for messages itself and not with the client's `consume()`, because the bytes under way
 * must be bounded whatever the size of the messages, a missed heartbeat must end the consumer and
 * not repair it in silence, and a timestamp must not pass through a double. At most two requests
 * are out at a time, and up to two more that were replaced shortly before they expire; the server
 * serves them in order, so the messages that arrive are taken to belong to the first one, and so is
 * the status that ends one early.
 */
import { AckPolicy, DeliverPolicy, type Msg, nanos, ReplayPolicy, type Subscription } from "nats";
import type { LogMessage } from "../actors/ports.ts";
import { type Delivery, millisOf, parseDelivery } from "./brokerTime.ts";
import type { NatsLink } from "./connection.ts";
import { within } from "./within.ts";

export interface PullLimits {
  /** The most that one request asks for. */
  readonly requestBytes: number;
  readonly requestMessages: number;
  /** How often the server says that a request is still known when it has nothing to send. */
  readonly heartbeatMs: number;
}

export interface PullEvents {
  /** A message, in the order of the stream. */
  message(message: LogMessage): void;
  /** A request may have ended: there is room to pull again. */
  room(): void;
  /** The consumer is of no more use. Called at most once, and never after `close`. */
  lost(reason: string): void;
}

interface PullRequest {
  readonly sentAtMs: number;
  messagesLeft: number;
  readonly bytes: number;
  answered: boolean;
}

const requestExpiresMs = 30_000;
/**
 * A request counts as ended this long before it expires at the server, and another one takes its
 * place: nats-server 2.9 may drop an expired request without a word, and with none left it would
 * be silent until the next heartbeat is missed.
 */
const expiryMarginMs = 5_000;
const monitorMs = 1_000;
/** An ephemeral consumer that nobody pulls from for this long is removed by the server. */
const inactiveMs = 60_000;
const requestsMax = 2;
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
  readonly #requests: PullRequest[] = [];
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #monitor: ReturnType<typeof setInterval>;
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
    this.#subscription = link.connection.subscribe(this.#inbox, {
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

  /** Asks for more, as far as `room` bytes and the number of requests allow. */
  pull(room: number): void {
    let left = room - this.#requests.reduce((sum, request) => sum + request.bytes, 0);
    while (!this.#closed && this.#requests.length < requestsMax) {
      const { requestBytes, requestMessages, heartbeatMs } = this.limits;
      if (left < requestBytes) return;
      if (this.#oversized && this.#requests.length > 0) return;
      const batch = this.#oversized ? 1 : requestMessages;
      const request = {
        batch,
        ...(!this.#oversized && { max_bytes: requestBytes }),
        expires: nanos(requestExpiresMs),
        idle_heartbeat: nanos(heartbeatMs),
      };
      if (this.#requests.length === 0) this.#heardAtMs = performance.now();
      const sentAtMs = performance.now();
      this.#requests.push({ sentAtMs, messagesLeft: batch, bytes: requestBytes, answered: false });
      left -= requestBytes;
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${this.name}`;
      try {
        this.link.connection.publish(subject, JSON.stringify(request), { reply: this.#inbox });
      } catch {
        this.#lose("the connection is closed");
      }
    }
  }

  /** Idempotent. Removing it at the server is a courtesy: it would be removed in time. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#monitor);
    if (this.link.connection.isClosed()) return;
    this.#subscription.unsubscribe();
    if (!this.link.connected) return;
    const removal = this.link.manager.consumers.delete(this.stream, this.name);
    await within(removal, removalMs).catch(() => {});
  }

  #arrived(msg: Msg): void {
    if (this.#closed) return;
    this.#heardAtMs = performance.now();
    const reply = msg.reply ?? "";
    const delivery = parseDelivery(reply);
    if (delivery !== undefined) this.#deliver(delivery, msg.data);
    else if (reply === "") this.#status(msg);
    else this.#lose(`unreadable delivery ${reply}`);
  }

  #deliver({ sequence, time }: Delivery, data: Uint8Array): void {
    const request = this.#requests[0];
    if (request !== undefined) {
      request.answered = true;
      request.messagesLeft--;
      if (request.messagesLeft <= 0) this.#requests.shift();
    }
    this.#oversized = false;
    this.events.message({ sequence, time, timeMs: millisOf(time), data });
    if (this.#requests.length < requestsMax) this.events.room();
  }

  /** Heartbeats, the early end of a request, or the end of the consumer. */
  #status(msg: Msg): void {
    const code = msg.headers?.code ?? 0;
    const description = msg.headers?.description ?? "";
    if (code === 100) return;
    const tooLarge = code === 409 && /exceeds maxbytes/i.test(description);
    if (code !== 408 && code !== 404 && !tooLarge) {
      this.#lose(`${code} ${description}`);
      return;
    }
    const request = this.#requests.shift();
    if (tooLarge && request?.answered === false) this.#oversized = true;
    this.events.room();
  }

  /** Without a request the server has nothing to say, and silence means nothing. */
  #checkHeartbeat(): void {
    if (this.#requests.length === 0) return;
    const silentMs = performance.now() - this.#heardAtMs;
    if (silentMs > 2.5 * this.limits.heartbeatMs) {
      this.#lose(`nothing heard for ${Math.round(silentMs)} ms`);
    }
  }

  #replaceExpiring(): void {
    const oldest = this.#requests[0];
    if (oldest === undefined || this.#closed) return;
    if (performance.now() - oldest.sentAtMs < requestExpiresMs - expiryMarginMs) return;
    this.#requests.shift();
    this.events.room();
  }

  #lose(reason: string): void {
    if (this.#closed) return;
    void this.close();
    this.events.lost(reason);
  }
}
