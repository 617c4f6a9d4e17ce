/** Reads the streams of payloads as they are, with a plain client. */
import {
  AckPolicy,
  connect,
  DeliverPolicy,
  type JetStreamManager,
  type NatsConnection,
} from "nats";

/** A payload as it lies in a stream, with the message it came in. */
export interface StoredPayload {
  readonly id: number;
  readonly token: string;
  readonly customer: string;
  readonly content: string;
  readonly p2p: number;
  readonly cdn: number;
  readonly sessionDuration: number;
  /** Digest of its Idempotency-Key, as opaque text. */
  readonly key: string | undefined;
}

export interface StoredMessage {
  readonly partition: number;
  readonly sequence: number;
  /** Reception time, epoch ms. */
  readonly timeMs: number;
  readonly publisher: string;
  readonly number: number;
  readonly payloads: readonly StoredPayload[];
}

export interface StreamContent {
  /** Batches of payloads; ticks are left out. */
  readonly messages: readonly StoredMessage[];
  /** Messages that are no batch and no tick, and gaps. */
  readonly oddities: readonly string[];
}

const pullMessages = 2_000;
const pullMs = 5_000;
const triesMax = 20;

export async function readStreams(natsUrl: string, partitions: number): Promise<StreamContent> {
  const connection = await connect({ servers: natsUrl.split(","), timeout: 5_000 });
  try {
    const manager = await connection.jetstreamManager();
    const messages: StoredMessage[] = [];
    const oddities: string[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      await new StreamReader(connection, manager, partition).read(messages, oddities);
    }
    return { messages, oddities };
  } finally {
    await connection.close();
  }
}

class StreamReader {
  readonly #stream: string;

  constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly partition: number,
  ) {
    this.#stream = `PAYLOADS_${String(partition).padStart(4, "0")}`;
  }

  /** Appends all batches in the order of the stream. */
  async read(messages: StoredMessage[], oddities: string[]): Promise<void> {
    const { state } = await this.manager.streams.info(this.#stream);
    if (state.first_seq > 1) oddities.push(`${this.#stream} begins at ${state.first_seq}`);
    let expected = Math.max(1, state.first_seq);
    for (let tries = 0; expected <= state.last_seq && tries < triesMax; tries++) {
      for (const { sequence, timeMs, text } of await this.#pull(expected)) {
        if (sequence < expected) continue;
        if (sequence > expected) {
          oddities.push(`${this.#stream} lacks sequences ${expected} to ${sequence - 1}`);
        }
        expected = sequence + 1;
        tries = 0;
        const batch = readBatch(text);
        if (batch === undefined) oddities.push(`${this.#stream} ${sequence}: ${text.slice(0, 80)}`);
        else if (batch !== "tick") {
          messages.push({ partition: this.partition, sequence, timeMs, ...batch });
        }
      }
    }
    if (expected <= state.last_seq) oddities.push(`${this.#stream} gave nothing from ${expected}`);
  }

  /** The messages from a sequence on, as many as come before the consumer has no more. */
  async #pull(from: number): Promise<{ sequence: number; timeMs: number; text: string }[]> {
    const consumer = await this.manager.consumers.add(this.#stream, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from,
      mem_storage: true,
      num_replicas: 1,
    });
    const found: { sequence: number; timeMs: number; text: string }[] = [];
    const inbox = `_INBOX.verifier.${crypto.randomUUID()}`;
    const answers = this.connection.subscribe(inbox);
    const request = JSON.stringify({ batch: pullMessages, expires: pullMs * 1e6, no_wait: true });
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#stream}.${consumer.name}`;
    this.connection.publish(subject, request, { reply: inbox });
    const timer = setTimeout(() => answers.unsubscribe(), pullMs);
    for await (const message of answers) {
      // `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<…>.<nanoseconds>.<pending>`
      const tokens = message.reply?.split(".") ?? [];
      if (tokens.length < 9) break;
      const timeMs = Number(tokens.at(-2)?.slice(0, -6));
      found.push({ sequence: Number(tokens.at(-4)), timeMs, text: message.string() });
      if (found.length === pullMessages) break;
    }
    clearTimeout(timer);
    await this.manager.consumers.delete(this.#stream, consumer.name).catch(() => {});
    return found;
  }
}

interface Wire {
  readonly publisher: string;
  readonly number: number;
  readonly actors: readonly string[];
  readonly payloads: readonly (string | number)[];
  readonly keys?: readonly (string | number)[];
}

function isWire(value: object): value is Wire {
  return "publisher" in value && "actors" in value && "payloads" in value;
}

function readBatch(
  text: string,
): "tick" | Pick<StoredMessage, "publisher" | "number" | "payloads"> | undefined {
  const body: unknown = JSON.parse(text);
  if (typeof body !== "object" || body === null) return undefined;
  if ("tick" in body) return "tick";
  if (!isWire(body)) return undefined;
  const keys = new Map<number, string>();
  for (let i = 0; i < (body.keys?.length ?? 0); i += 2) {
    keys.set(Number(body.keys?.[i]), String(body.keys?.[i + 1]));
  }
  const payloads: StoredPayload[] = [];
  for (let at = 0; at < body.payloads.length; at += 6) {
    const [actor, token, id, p2p, cdn, sessionDuration] = body.payloads.slice(at, at + 6);
    payloads.push({
      id: Number(id),
      token: String(token),
      customer: String(body.actors[Number(actor) * 2]),
      content: String(body.actors[Number(actor) * 2 + 1]),
      p2p: Number(p2p),
      cdn: Number(cdn),
      sessionDuration: Number(sessionDuration),
      key: keys.get(at / 6),
    });
  }
  return { publisher: body.publisher, number: body.number, payloads };
}
