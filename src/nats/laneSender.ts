/**
 * Sends the messages of the lanes: group commit, per partition.
 *
 * Each partition has a lane: a queue of messages, of which at most one is in flight. Lanes send
 * together, in beats: what arrives in one turn of the event loop goes out at its end, and what
 * arrives afterwards goes out with the next beat, when all answers are there. So messages grow with
 * the load, as with Nagle's algorithm, and a lone payload never waits for a timer. Lanes that sent
 * whenever they were ready took more CPU for as many messages: answers came in more and smaller
 * bursts, and every burst wakes the event loop and the clients.
 *
 * After a beat whose messages held several payloads each, the lanes rest for up to a few
 * milliseconds, since a message costs the broker, its reader and us several times what a payload
 * costs. One partition that does not answer cannot hold up the others for longer than `beatMsMax`.
 *
 * A message is numbered when it is first sent, upwards per partition, and never gets another
 * number. It is sent again, as it is, until it is acknowledged or its deadline has passed. A repeat
 * that is stored has no larger number than the message before it, and the owner drops it. An
 * abandoned message may still lie in a buffer and be stored late: then it has either a lower number
 * than a message stored before it, and is dropped, or it is the newest one and is counted, once.
 * Both are fine, since its payloads were never acknowledged. This is why only one may be in flight.
 *
 * Messages carry no `Nats-Msg-Id`: each replica would decide by itself which of two repeats to
 * drop, and after a change of leader replicas then hold one with different timestamps (decision
 * 0004).
 */
import type { Msg, Subscription } from "nats";
import { PayloadLogUnavailable } from "../actors/ports.ts";
import type { NatsLink } from "./connection.ts";
import { payloadSubject, streamName } from "./names.ts";
import type { Lane, OutgoingMessage } from "./outgoing.ts";
import { readPublishAnswer } from "./pubAck.ts";
import type { PublisherLimits } from "./publisherLimits.ts";

type Reason = PayloadLogUnavailable["reason"];

interface LaneSenderParts {
  readonly link: NatsLink;
  readonly publisher: string;
  readonly lanes: readonly Lane[];
  readonly limits: PublisherLimits;
  /** Its first element counts the payloads that are queued or in flight. */
  readonly pending: Int32Array;
  /** A monotonic clock in milliseconds. */
  readonly now: () => number;
}

export class LaneSender {
  /** Lanes with something queued or in flight. */
  readonly #busy = new Set<Lane>();
  /** Lanes to be sent at the end of this turn of the event loop. */
  #due: Lane[] = [];
  /** Runs from a beat to its end. */
  #beatTimer: ReturnType<typeof setTimeout> | undefined;
  /** Until when the beat lasts though all is answered, in monotonic milliseconds. */
  #restEndsMs = 0;
  /** Messages in flight. */
  #flights = 0;
  readonly #inbox: string;
  readonly #answers: Subscription;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #unsubscribe: () => void;
  readonly #finished = Promise.withResolvers<void>();
  #finishing = false;
  #bytes = 0;

  constructor(private readonly parts: LaneSenderParts) {
    const { link, publisher, limits } = parts;
    this.#inbox = `_INBOX.${publisher}`;
    this.#answers = link.connection.subscribe(`${this.#inbox}.*.*`, {
      callback: (error, msg) => {
        if (error === null) this.#answered(msg);
      },
    });
    this.#timer = setInterval(() => this.#tend(), limits.tendIntervalMs);
    this.#unsubscribe = link.onChange((connected) => {
      if (connected) this.#reconnected();
    });
  }

  /** Payloads that are queued or in flight. */
  get payloads(): number {
    return this.parts.pending[0] ?? 0;
  }

  /** Bytes that are queued or in flight, by upper estimate. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A payload was added to the lane's last message. */
  queued(lane: Lane, bytes: number): void {
    this.#count(lane, 1, bytes);
    if (lane.flight !== undefined || lane.due) return;
    this.#busy.add(lane);
    this.#sendSoon(lane);
  }

  /** Waits until all is settled, or for `graceMs`, and gives up the rest. */
  finish(graceMs: number): Promise<void> {
    this.#finishing = true;
    const timer = setTimeout(() => this.#finish(), graceMs);
    if (this.#busy.size === 0) this.#finish();
    return this.#finished.promise.finally(() => clearTimeout(timer));
  }

  #sendSoon(lane: Lane): void {
    lane.due = true;
    this.#due.push(lane);
    if (this.#due.length === 1 && this.#beatTimer === undefined) setImmediate(() => this.#beat());
  }

  #beat(): void {
    const due = this.#due;
    this.#due = [];
    const before = this.#flights;
    let payloads = 0;
    for (const lane of due) {
      lane.due = false;
      this.#sendNext(lane);
      payloads += lane.flight?.message.count ?? 0;
    }
    const messages = this.#flights - before;
    if (messages === 0) return;
    const { beatMsMax, pauseMsMax } = this.parts.limits;
    this.#restEndsMs = this.parts.now() + Math.min(payloads / messages - 1, pauseMsMax);
    this.#beatTimer = setTimeout(() => this.#endBeat(), beatMsMax);
  }

  /** All that was sent is answered: the beat ends when it has rested long enough. */
  #allAnswered(): void {
    const restMs = this.#restEndsMs - this.parts.now();
    clearTimeout(this.#beatTimer);
    if (restMs < 0.5) this.#endBeat();
    else this.#beatTimer = setTimeout(() => this.#endBeat(), restMs);
  }

  #endBeat(): void {
    clearTimeout(this.#beatTimer);
    this.#beatTimer = undefined;
    if (this.#due.length > 0) setImmediate(() => this.#beat());
  }

  /** Sends the next message of a lane that has nothing in flight. */
  #sendNext(lane: Lane): void {
    const nowMs = this.parts.now();
    const { attemptMs, deadlineMs } = this.parts.limits;
    let message = lane.queue[0];
    while (message !== undefined && nowMs >= message.queuedAtMs + deadlineMs - attemptMs) {
      // There is no time left for a full attempt, and none was made: it is surely not stored.
      this.#settle(lane, message);
      this.#fail(message, this.parts.link.connected ? "overloaded" : "disconnected");
      lane.queue.shift();
      message = lane.queue[0];
    }
    if (message === undefined) this.#idle(lane);
    // While disconnected it waits: the return of the connection sends it.
    else if (this.parts.link.connected) this.#launch(lane, message);
  }

  #launch(lane: Lane, message: OutgoingMessage): void {
    lane.queue.shift();
    this.#busy.add(lane);
    this.#flights++;
    const number = ++lane.lastNumber;
    lane.flight = {
      message,
      number,
      text: message.encode(this.parts.publisher, number),
      deadlineMs: message.queuedAtMs + this.parts.limits.deadlineMs,
      resendAtMs: 0,
      lastError: undefined,
    };
    this.#transmit(lane);
  }

  #transmit(lane: Lane): void {
    const flight = lane.flight;
    if (flight === undefined) return;
    flight.resendAtMs = this.parts.now() + this.parts.limits.attemptMs;
    const reply = `${this.#inbox}.${lane.partition}.${flight.number}`;
    try {
      this.parts.link.connection.publish(payloadSubject(lane.partition), flight.text, { reply });
    } catch (error) {
      // The connection was closed under us.
      this.#abandon(lane, "disconnected", error);
    }
  }

  #answered(msg: Msg): void {
    const [partition, number] = msg.subject.slice(this.#inbox.length + 1).split(".");
    const lane = this.parts.lanes[Number(partition)];
    if (lane === undefined) return;
    const answer = readPublishAnswer(msg, streamName(lane.partition));
    // Also one that comes too late says that the stream answers again.
    if (answer.kind !== "retry") lane.unansweredAtMs = undefined;
    // An answer to a message that was abandoned, or a second one to a repeated message.
    if (lane.flight === undefined || lane.flight.number !== Number(number)) return;
    if (answer.kind === "full") {
      lane.full = { atMs: this.parts.now(), reason: answer.error.message };
      this.#abandon(lane, "full", answer.error);
    } else if (answer.kind === "retry") {
      lane.absences = answer.absent ? lane.absences + 1 : 0;
      if (lane.absences > this.parts.limits.absencesMax) {
        this.#abandon(lane, "disconnected", answer.error);
        return;
      }
      lane.flight.lastError = answer.error;
      lane.flight.resendAtMs = this.parts.now() + this.parts.limits.retryPauseMs;
    } else {
      const { message } = lane.flight;
      lane.full = undefined;
      lane.absences = 0;
      this.#settle(lane, message);
      this.#landed(lane);
      message.stored(lane.partition, answer.sequence);
    }
  }

  /** What the lane had in flight is settled. */
  #landed(lane: Lane): void {
    lane.flight = undefined;
    this.#flights--;
    if (lane.queue.length === 0) this.#idle(lane);
    else this.#sendSoon(lane);
    if (this.#flights === 0) this.#allAnswered();
  }

  /** What was in flight when the connection broke is sent again as soon as it is back. */
  #reconnected(): void {
    for (const lane of [...this.#busy]) {
      if (lane.flight !== undefined) this.#transmit(lane);
      else if (!lane.due) this.#sendNext(lane);
    }
  }

  /** Sends again what has waited long enough for its answer, and gives up what is too old. */
  #tend(): void {
    const nowMs = this.parts.now();
    for (const lane of [...this.#busy]) {
      const flight = lane.flight;
      if (flight === undefined) {
        if (!lane.due) this.#sendNext(lane);
      } else if (nowMs >= flight.deadlineMs) {
        const away = !this.parts.link.connected || flight.lastError !== undefined;
        this.#abandon(lane, away ? "disconnected" : "timeout", flight.lastError);
      } else if (nowMs >= flight.resendAtMs && this.parts.link.connected) {
        this.#transmit(lane);
      }
    }
  }

  /** Gives up the message in flight and goes on with the next one. */
  #abandon(lane: Lane, reason: Reason, cause?: unknown): void {
    const flight = lane.flight;
    if (flight === undefined) return;
    if (reason !== "full" && this.parts.link.connected) lane.unansweredAtMs = this.parts.now();
    this.#settle(lane, flight.message);
    this.#fail(flight.message, reason, cause);
    this.#landed(lane);
  }

  #fail(message: OutgoingMessage, reason: Reason, cause?: unknown): void {
    message.failed(() => new PayloadLogUnavailable(reason, { cause }));
  }

  #settle(lane: Lane, message: OutgoingMessage): void {
    this.#count(lane, -message.count, -message.bytes);
  }

  #count(lane: Lane, payloads: number, bytes: number): void {
    lane.payloads += payloads;
    lane.bytes += bytes;
    this.parts.pending[0] = this.payloads + payloads;
    this.#bytes += bytes;
  }

  #idle(lane: Lane): void {
    this.#busy.delete(lane);
    if (this.#finishing && this.#busy.size === 0) this.#finish();
  }

  #finish(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#beatTimer);
    this.#unsubscribe();
    for (const lane of this.#busy) {
      const waiting = lane.flight === undefined ? lane.queue : [lane.flight.message, ...lane.queue];
      for (const message of waiting.splice(0)) this.#fail(message, "stopping");
      lane.flight = undefined;
      lane.queue.length = 0;
    }
    this.#busy.clear();
    if (!this.parts.link.connection.isClosed()) this.#answers.unsubscribe();
    this.#finished.resolve();
  }
}
