/**
 * Reads the streams of payloads as they are, with nothing of the product's code, in the form of
 * the naive model.
 */
import { connect } from "nats";
import type { NaiveMessage, NaivePayload } from "./naiveModel.ts";

export interface StoredMessage extends NaiveMessage {
  readonly partition: number;
  readonly sequence: number;
}

/** Every batch in the streams of `partitions` partitions. */
export async function readStreams(natsUrl: string, partitions: number): Promise<StoredMessage[]> {
  const connection = await connect({ servers: natsUrl });
  try {
    const manager = await connection.jetstreamManager();
    const found: StoredMessage[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      const stream = `PAYLOADS_${String(partition).padStart(4, "0")}`;
      const { state } = await manager.streams.info(stream);
      for (let sequence = Math.max(1, state.first_seq); sequence <= state.last_seq; sequence++) {
        const message = await manager.streams.getMessage(stream, { seq: sequence });
        const body: unknown = message.json();
        const batch = readBatch(body);
        if (batch === undefined) continue;
        found.push({
          ...batch,
          partition,
          sequence,
          timeMs: Date.parse(message.timestamp.replace(/(\.\d{1,3})\d*Z$/, "$1Z")),
        });
      }
    }
    return found;
  } finally {
    await connection.close();
  }
}

interface Wire {
  readonly publisher: string;
  readonly number: number;
  readonly actors: readonly string[];
  readonly payloads: readonly (string | number)[];
  readonly keys?: readonly (string | number)[];
}

function isWire(value: unknown): value is Wire {
  return typeof value === "object" && value !== null && "payloads" in value;
}

function readBatch(
  body: unknown,
): Pick<NaiveMessage, "publisher" | "number" | "payloads"> | undefined {
  if (!isWire(body)) return undefined;
  const payloads: NaivePayload[] = [];
  for (let at = 0; at < body.payloads.length; at += 6) {
    const [actor, token, timespan, p2p, cdn, sessionDuration] = body.payloads.slice(at, at + 6);
    const keyAt = (body.keys ?? []).findIndex((key, i) => i % 2 === 0 && key === at / 6);
    payloads.push({
      token: String(token),
      customer: String(body.actors[Number(actor) * 2]),
      content: String(body.actors[Number(actor) * 2 + 1]),
      timespan: Number(timespan),
      p2p: Number(p2p),
      cdn: Number(cdn),
      sessionDuration: Number(sessionDuration),
      key: keyAt < 0 ? undefined : String(body.keys?.[keyAt + 1]),
    });
  }
  return { publisher: body.publisher, number: body.number, payloads };
}
