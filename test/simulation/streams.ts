/** The port to the broker of one process, and the feed over it. */
import type {
  LogMessage,
  PayloadFeed,
  PayloadStreams,
  StreamState,
  VerifyStream,
} from "../../src/actors/ports.ts";
import { encodeTick } from "../../src/domain/envelope.ts";
import type { Broker, StreamListener, StreamRequest } from "./broker.ts";
import { type DeliveryFaults, SimulatedFeed } from "./feed.ts";
import type { Network } from "./network.ts";
import type { SimulatedProcess } from "./process.ts";

const tickMs = 2_000;

export class SimulatedStreams implements PayloadStreams {
  #ticks = 0;

  constructor(
    readonly network: Network,
    readonly broker: Broker,
    readonly process: SimulatedProcess,
    readonly faults: DeliveryFaults,
    private readonly requestMs: number,
  ) {}

  state(partition: number): Promise<StreamState> {
    return this.#ask(partition, "state", this.requestMs, () => this.broker.stream(partition).state);
  }

  message(partition: number, sequence: number): Promise<LogMessage | undefined> {
    return this.#ask(partition, "message", this.requestMs, () =>
      this.broker.stream(partition).message(sequence),
    );
  }

  feed(partition: number, fromSequence: number, verify: VerifyStream): PayloadFeed {
    return new SimulatedFeed(this, partition, fromSequence, verify);
  }

  tick(partition: number): Promise<number> {
    const number = ++this.#ticks;
    const meaning = { publisher: `tick ${this.process.name}`, number, payloads: [], sent: [] };
    return this.#ask(partition, "tick", tickMs, () =>
      this.broker.publish(partition, encodeTick(), { ...meaning, poison: 0 }, "stored"),
    );
  }

  purge(partition: number, sequence: number): Promise<void> {
    return this.network.request(this.process, this.broker, this.requestMs, () =>
      this.broker.purge(partition, sequence),
    );
  }

  /** Listens to a stream, as a consumer does. */
  listen(partition: number, listener: StreamListener): () => void {
    const { listeners } = this.broker.stream(partition);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  #ask<Result>(
    partition: number,
    request: StreamRequest,
    deadlineMs: number,
    effect: () => Result,
  ): Promise<Result> {
    return this.network.request(this.process, this.broker, deadlineMs, () => {
      const result = effect();
      this.broker.stream(partition).served(request);
      return result;
    });
  }
}
