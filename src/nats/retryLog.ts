/** Publishes what comes out of quarantine. */
import type { RetryLog } from "../actors/operatorPorts.ts";
import type { NatsLink } from "./connection.ts";
import { payloadSubject } from "./names.ts";

const timeoutMs = 5_000;

export class JetStreamRetryLog implements RetryLog {
  constructor(private readonly link: NatsLink) {}

  takes(message: string): boolean {
    if (!this.link.connected) throw new Error("NATS is disconnected");
    return Buffer.byteLength(message) <= this.link.payloadBytesMax;
  }

  async publish(partition: number, message: string): Promise<number> {
    if (!this.link.connected) throw new Error("NATS is disconnected");
    const ack = await this.link.connection
      .jetstream()
      .publish(payloadSubject(partition), message, { timeout: timeoutMs });
    return ack.seq;
  }
}
