/**
 * A feed with the promises of `src/nats/feed.ts`, over consumers that repeat messages, skip some,
 * are late, go silent, and are lost.
 */
import {
  type LogMessage,
  PartitionHalted,
  type PayloadFeed,
  PayloadGap,
  type VerifyStream,
} from "../../src/actors/ports.ts";
import { SimulatedFailure } from "./network.ts";
import type { SimulatedStreams } from "./streams.ts";

/** How likely each misfortune is: of a consumer, and of one delivery. */
export interface DeliveryFaults {
  readonly silent: number;
  readonly repeated: number;
  readonly skipped: number;
  readonly late: number;
}

const backOffMsMax = 500;
/** How often a stream may seem to end too early before that is believed. */
const shortMax = 5;

export class SimulatedFeed implements PayloadFeed {
  #buffer: LogMessage[] = [];
  #failure: Error | undefined;
  #stopped = false;
  #readable = Promise.withResolvers<void>();
  #consumer: Consumer | undefined;
  /** Grows whenever the consumer, or the attempt to open one, is given up. */
  #session = 0;
  readonly #stopListening: () => void;
  #created: string | undefined;
  #last: LogMessage | undefined;
  #shorts = 0;
  #early: number | undefined;

  constructor(
    private readonly streams: SimulatedStreams,
    private readonly partition: number,
    private expected: number,
    private readonly verify: VerifyStream,
  ) {
    // A lost connection also ends the attempt to open a consumer.
    this.#stopListening = streams.listen(partition, {
      stored: () => {},
      lost: () => streams.process.run(() => this.#drop()),
    });
    void this.#open();
  }

  async next(messagesMax: number): Promise<readonly LogMessage[]> {
    while (this.#buffer.length === 0) {
      if (this.#stopped) return [];
      if (this.#failure !== undefined) throw this.#failure;
      await this.#readable.promise;
      this.#readable = Promise.withResolvers();
    }
    return this.#stopped ? [] : this.#buffer.splice(0, messagesMax);
  }

  restart(): void {
    this.streams.network.coverage.count("feed: restarted by a tick that did not come back");
    this.#drop();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#session++;
    this.#buffer = [];
    this.#consumer?.close();
    this.#stopListening();
    this.#readable.resolve();
    await this.streams.process.clock.sleep(this.streams.network.latencyMs());
  }

  async #open(): Promise<void> {
    const session = this.#session;
    try {
      const gap = await this.#findGap();
      await this.verify(this.#last);
      if (session !== this.#session) return;
      if (gap !== undefined) this.#fail(gap);
      else this.#consumer = this.#consume();
    } catch (error) {
      if (session !== this.#session) return;
      if (error instanceof PartitionHalted) this.#fail(error);
      else this.#drop();
    }
  }

  #consume(): Consumer {
    return new Consumer(this.streams, this.partition, this.expected, (message) =>
      this.#arrived(message),
    );
  }

  /** What the stream no longer holds of what was not read: see `src/nats/continuity.ts`. */
  async #findGap(): Promise<PayloadGap | undefined> {
    const { created, firstSequence, lastSequence } = await this.streams.state(this.partition);
    this.#created ??= created;
    const { expected } = this;
    if (created !== this.#created) return new PayloadGap(this.partition, expected, 0);
    if (firstSequence > expected) return new PayloadGap(this.partition, expected, firstSequence);
    if (lastSequence + 1 < expected) {
      if (++this.#shorts < shortMax)
        throw new SimulatedFailure("the stream seems to end too early");
      return new PayloadGap(this.partition, expected, lastSequence + 1);
    }
    this.#shorts = 0;
    const early = this.#early;
    this.#early = undefined;
    if (early === undefined || early <= expected) return undefined;
    const held = await this.streams.message(this.partition, expected);
    return held === undefined ? new PayloadGap(this.partition, expected, early) : undefined;
  }

  #arrived(message: LogMessage): void {
    if (message.sequence < this.expected || this.#stopped) return;
    if (message.sequence > this.expected) {
      this.#early = message.sequence;
      this.#drop();
      return;
    }
    this.expected++;
    this.#last = message;
    this.#buffer.push(message);
    this.#readable.resolve();
  }

  #drop(): void {
    if (this.#stopped || this.#failure !== undefined) return;
    this.#consumer?.close();
    this.#consumer = undefined;
    const session = ++this.#session;
    const { process, network } = this.streams;
    process.after(network.random.between(0, backOffMsMax), () => {
      if (session === this.#session) void this.#open();
    });
  }

  #fail(failure: Error): void {
    this.#failure = failure;
    this.#readable.resolve();
  }
}

/** Pushes the messages of a stream from a sequence on, in their order, until it goes silent. */
class Consumer {
  #closed = false;
  #lastAtMs = 0;
  readonly #stopListening: () => void;

  constructor(
    private readonly streams: SimulatedStreams,
    private readonly partition: number,
    private nextSequence: number,
    private readonly arrived: (message: LogMessage) => void,
  ) {
    this.#stopListening = streams.listen(partition, {
      stored: () => this.#push(),
      lost: () => {},
    });
    this.#push();
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
  }

  #push(): void {
    const { broker, faults, network } = this.streams;
    const { random } = network;
    while (this.streams.process.alive) {
      const message = broker.stream(this.partition).message(this.nextSequence);
      if (message === undefined) return;
      this.nextSequence++;
      if (random.chance(faults.silent)) {
        network.coverage.count("consumer: silent");
        this.#stopListening();
        return;
      }
      if (random.chance(faults.skipped)) network.coverage.count("consumer: skipped a message");
      else this.#deliver(message);
      if (random.chance(faults.repeated)) this.#deliver(message);
    }
  }

  /** Deliveries do not overtake each other. */
  #deliver(message: LogMessage): void {
    const { scheduler, random } = this.streams.network;
    const late = random.chance(this.streams.faults.late) ? random.exponential(1_500) : 0;
    const atMs = scheduler.nowMs + this.streams.network.latencyMs() + late;
    this.#lastAtMs = Math.max(this.#lastAtMs, atMs);
    this.streams.process.after(this.#lastAtMs - scheduler.nowMs, () => {
      if (!this.#closed) this.arrived(message);
    });
  }
}
