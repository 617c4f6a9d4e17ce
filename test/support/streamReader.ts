/** The streams as they are, by the reader of chaos, which has nothing of the product's code. */
import { readStreams as readContent } from "../../src/cluster/verifier/streams.ts";
import type { NaiveMessage } from "./naiveModel.ts";

export interface StoredMessage extends NaiveMessage {
  readonly partition: number;
  readonly sequence: number;
}

/**
 * Every batch in the streams of `partitions` partitions, in the form of the naive model.
 * @throws when a stream has a gap, or holds what is no batch and no tick.
 */
export async function readStreams(natsUrl: string, partitions: number): Promise<StoredMessage[]> {
  const { messages, oddities } = await readContent(natsUrl, partitions);
  if (oddities.length > 0) throw new Error(oddities.join("\n"));
  return messages.map(({ payloads, ...message }) => ({
    ...message,
    // Chaos tells payloads apart by their timespans.
    payloads: payloads.map(({ id, ...payload }) => ({ ...payload, timespan: id })),
  }));
}
