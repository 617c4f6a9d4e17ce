/** Publishes what comes out of quarantine. */
import type { RetryLog } from "../actors/operatorPorts.ts";
import type { NatsLink } from "./connection.ts";
import { payloadSubject } from "./names.ts";

const timeoutMs = 5_000;
/** The broker's bound holds for the header with the message's id as well. */
const headerBytesMax = 512;

export class JetStreamRetryLog implements RetryLog {
  constructor(private readonly link: NatsLink) {}

  takes(message: string): boolean {
    if (!this.link.connected) throw new Error("NATS is disconnected");
    return Buffer.byteLength(message) + headerBytesMax <= this.link.payloadBytesMax;
  }

  async publish(partition: number, id: string, message: string): Promise<number> {
    if (!this.link.connected) throw new Error("NATS is disconnected");
    const ack = await this.link.connection
      .jetstream()
      .publish(payloadSubject(partition), message, { msgID: id, timeout: timeoutMs });
    return ack.seq;
  }
}
