/** What questions about the past are answered from. */
import type { Clock } from "../actors/clock.ts";
import type { HistoryStore } from "../actors/historyPorts.ts";
import {
  PartitionHalted,
  type PartitionStore,
  type PayloadStreams,
  type RememberedTokens,
  type StreamState,
} from "../actors/ports.ts";
import { isSameStream, type StreamPlace } from "../actors/streamIdentity.ts";
import type { Rules } from "../domain/rules.ts";

export interface Past {
  readonly streams: Pick<PayloadStreams, "state" | "message" | "feed">;
  readonly history: HistoryStore;
  readonly store: Pick<PartitionStore, "rememberedTokens">;
  readonly clock: Clock;
  /** The rules of now. Events may have been made under another memory: see memories.ts. */
  readonly rules: Rules;
}

/** What the stream holds that a partition has read up to a place; undefined when that is gone. */
export async function readStream(
  { streams }: Pick<Past, "streams">,
  partition: number,
  place: StreamPlace,
): Promise<StreamState | undefined> {
  try {
    const found = await streams.state(partition);
    return (await isSameStream(streams, partition, place, found)) ? found : undefined;
  } catch (error) {
    if (error instanceof PartitionHalted) return undefined;
    throw error;
  }
}

/** The tokens of all actors of a partition, for windows that end in a range of times. */
export async function* tokensOfPartition(
  { store }: Pick<Past, "store">,
  partition: number,
  afterMs: number,
  throughMs: number,
): AsyncIterable<readonly RememberedTokens[]> {
  for await (const page of store.rememberedTokens(partition, afterMs)) {
    const wanted = page.filter(({ windowEndMs }) => windowEndMs <= throughMs);
    yield wanted;
    if (wanted.length < page.length) return;
  }
}
