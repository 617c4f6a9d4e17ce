/** The streams of payloads as partition owners, and who retries what was quarantined, use them. */
import type { RetryLog } from "../actors/operatorPorts.ts";
import {
  type LogMessage,
  type PayloadFeed,
  PayloadLogUnavailable,
  type PayloadStreams,
  type StreamState,
  type VerifyStream,
} from "../actors/ports.ts";
import { encodeTick } from "../domain/envelope.ts";
import type { Log } from "../log.ts";
import { apiCodeOf, isFullCode } from "./apiError.ts";
import type { NatsLink } from "./connection.ts";
import { StreamFeed } from "./feed.ts";
import { payloadSubject, streamName } from "./names.ts";
import { findMessage, haltedWhenGone, stateOf } from "./streamState.ts";

const tickTimeoutMs = 2_000;
const retryTimeoutMs = 5_000;

export class JetStreamStreams implements PayloadStreams, RetryLog {
  constructor(
    private readonly link: NatsLink,
    private readonly log: Log,
  ) {}

  async state(partition: number): Promise<StreamState> {
    const name = streamName(partition);
    const info = await this.link.manager.streams.info(name).catch((error) => {
      throw haltedWhenGone(error);
    });
    return stateOf(info);
  }

  message(partition: number, sequence: number): Promise<LogMessage | undefined> {
    return findMessage(this.link, partition, sequence);
  }

  feed(partition: number, fromSequence: number, verify: VerifyStream): PayloadFeed {
    return new StreamFeed(this.link, { partition, fromSequence, verify, log: this.log });
  }

  /** Two ticks do no harm, so a tick has no id and is not sent again here. */
  async tick(partition: number): Promise<number> {
    try {
      return await this.#publish(partition, encodeTick(), tickTimeoutMs);
    } catch (error) {
      if (!isFullCode(apiCodeOf(error))) throw error;
      throw new PayloadLogUnavailable("full", { cause: error });
    }
  }

  takes(message: string): boolean {
    this.#assertConnected();
    return Buffer.byteLength(message) <= this.link.payloadBytesMax;
  }

  publish(partition: number, message: string): Promise<number> {
    return this.#publish(partition, message, retryTimeoutMs);
  }

  async #publish(partition: number, message: string, timeout: number): Promise<number> {
    this.#assertConnected();
    const subject = payloadSubject(partition);
    const ack = await this.link.connection.jetstream().publish(subject, message, { timeout });
    return ack.seq;
  }

  #assertConnected(): void {
    if (!this.link.connected) throw new Error("NATS is disconnected");
  }

  async purge(partition: number, sequence: number): Promise<void> {
    if (sequence < 1) return;
    // The broker's bound is exclusive.
    await this.link.manager.streams.purge(streamName(partition), { seq: sequence + 1 });
  }
}
