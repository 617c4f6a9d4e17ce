/**
 * A publisher with the promises of `src/nats/laneSender.ts`: it numbers its messages to a
 * partition upwards, has one in flight at a time, and sends it again with the same number until it
 * is acknowledged or given up. What it sent may be stored twice, or long after it was given up.
 */
import type { Broker } from "./broker.ts";
import { encodeBatch, type SentPayload } from "./devices.ts";
import type { Network } from "./network.ts";

/** How likely each misfortune is, for one attempt. */
export interface PublishFaults {
  readonly lost: number;
  readonly answerLost: number;
  /** Stored so late that the publisher has given it up. */
  readonly stray: number;
  /** Stored, and once more later. */
  readonly twice: number;
  /** The duplicate window of the broker does not know a repeat any more. */
  readonly forgotten: number;
  /** A malformed payload stands among the others. */
  readonly poison: number;
}

interface Message {
  readonly payloads: readonly SentPayload[];
  readonly poison: number;
  number: number;
  deadlineMs: number;
}

interface Lane {
  readonly queue: Message[];
  flight: Message | undefined;
  lastNumber: number;
}

export interface PublisherEvents {
  acknowledged(payloads: readonly SentPayload[]): void;
  failed(payloads: readonly SentPayload[]): void;
}

const attemptMs = 1_000;
const deadlineMs = 4_000;

export class SimulatedPublisher {
  readonly #lanes: readonly Lane[];
  /** Messages that may still be stored, and lanes that still have something to send. */
  pending = 0;
  #crashed = false;
  #calm = false;

  constructor(
    readonly id: string,
    partitions: number,
    private readonly network: Network,
    private readonly broker: Broker,
    private readonly faults: PublishFaults,
    private readonly events: PublisherEvents,
  ) {
    this.#lanes = Array.from({ length: partitions }, () => {
      return { queue: [], flight: undefined, lastNumber: 0 };
    });
  }

  heal(): void {
    this.#calm = true;
  }

  append(partition: number, payloads: readonly SentPayload[]): void {
    const poison = this.#chance(this.faults.poison) ? 1 : 0;
    this.#lane(partition).queue.push({ payloads, poison, number: 0, deadlineMs: 0 });
    this.pending++;
    this.#sendNext(partition);
  }

  /** It is gone; what it sent may still arrive. */
  crash(): void {
    this.#crashed = true;
    for (const lane of this.#lanes) {
      const open = lane.flight === undefined ? lane.queue : [lane.flight, ...lane.queue];
      lane.flight = undefined;
      for (const { payloads } of open.splice(0)) {
        this.pending--;
        this.events.failed(payloads);
      }
      lane.queue.length = 0;
    }
  }

  #lane(partition: number): Lane {
    const lane = this.#lanes[partition];
    if (lane === undefined) throw new Error(`there is no lane to partition ${partition}`);
    return lane;
  }

  #sendNext(partition: number): void {
    const lane = this.#lane(partition);
    if (lane.flight !== undefined) return;
    const message = lane.queue.shift();
    if (message === undefined) return;
    lane.flight = message;
    message.number = ++lane.lastNumber;
    message.deadlineMs = this.network.scheduler.nowMs + deadlineMs;
    this.#attempt(partition, message);
  }

  #attempt(partition: number, message: Message): void {
    const { network, faults } = this;
    const acknowledge = () => {
      const lane = this.#lane(partition);
      if (lane.flight !== message) return;
      lane.flight = undefined;
      this.pending--;
      this.events.acknowledged(message.payloads);
      this.#sendNext(partition);
    };
    const answer = () => network.scheduler.after(network.latencyMs(), acknowledge);
    const lateMs = () => network.random.between(attemptMs, 20_000);
    if (this.#chance(faults.stray)) {
      network.coverage.count("publisher: stray message");
      this.#store(partition, message, lateMs());
    } else if (!this.#chance(faults.lost)) {
      const answered = !this.#chance(faults.answerLost);
      this.#store(partition, message, network.latencyMs(), answered ? answer : undefined);
      if (this.#chance(faults.twice)) this.#store(partition, message, lateMs());
    }
    network.scheduler.after(attemptMs, () => this.#tend(partition, message));
  }

  #tend(partition: number, message: Message): void {
    const lane = this.#lane(partition);
    if (lane.flight !== message) return;
    if (this.network.scheduler.nowMs < message.deadlineMs) {
      this.#attempt(partition, message);
      return;
    }
    lane.flight = undefined;
    this.pending--;
    this.events.failed(message.payloads);
    this.#sendNext(partition);
  }

  #store(partition: number, message: Message, delayMs: number, then = () => {}): void {
    const { payloads, poison, number } = message;
    this.pending++;
    this.network.scheduler.after(delayMs, () => {
      this.pending--;
      if (this.broker.away !== "no") return;
      const text = encodeBatch(this.id, number, payloads, poison);
      const meaning = {
        publisher: this.id,
        number,
        payloads: payloads.map(({ payload }) => payload),
        sent: payloads.map(({ id }) => id),
        poison,
      };
      const repeats = this.#chance(this.faults.forgotten) ? "stored" : "dropped";
      this.broker.publish(partition, text, meaning, repeats);
      if (!this.#crashed) then();
    });
  }

  #chance(probability: number): boolean {
    return !this.#calm && this.network.random.chance(probability);
  }
}
