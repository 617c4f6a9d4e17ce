/** A log of payloads in memory: numbers what it gets as one partition's stream would. */
import {
  type AppendWaiter,
  type PayloadLog,
  PayloadLogUnavailable,
} from "../../src/actors/ports.ts";
import type { Payload } from "../../src/domain/payload.ts";

interface Recorded {
  readonly payloads: readonly Payload[];
  readonly keyDigests: readonly string[] | undefined;
}

export class RecordingPayloadLog implements PayloadLog {
  readonly appends: Recorded[] = [];
  /** When set, every append fails with it. */
  failure: Error | undefined;
  #gate: Promise<void> = Promise.resolve();
  #held = 0;

  async append(payloads: readonly Payload[], keyDigests?: readonly string[]): Promise<void> {
    await this.#record({ payloads, keyDigests });
  }

  /** Refuses at once, as the real one does; an error that nobody expected is thrown. */
  appendOne(payload: Payload, keyDigest: string | undefined, waiter: AppendWaiter): void {
    const { failure } = this;
    if (failure instanceof PayloadLogUnavailable) {
      waiter.failed(() => failure);
      return;
    }
    if (failure !== undefined) throw failure;
    const keyDigests = keyDigest === undefined ? undefined : [keyDigest];
    void this.#record({ payloads: [payload], keyDigests }).then((sequence) =>
      waiter.stored({ partition: 0, sequence, index: 0 }),
    );
  }

  /** Resolves with its number. */
  async #record(recorded: Recorded): Promise<number> {
    this.#held++;
    await this.#gate;
    this.#held--;
    if (this.failure !== undefined) throw this.failure;
    return this.appends.push(recorded);
  }

  get payloads(): readonly Payload[] {
    return this.appends.flatMap((append) => append.payloads);
  }

  /** Appends that are held back now. */
  get held(): number {
    return this.#held;
  }

  /** Holds every append back until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }

  clear(): void {
    this.appends.length = 0;
    this.failure = undefined;
  }
}
