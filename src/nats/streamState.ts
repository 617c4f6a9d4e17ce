/** What a stream holds, as the broker tells it. */
import type { StreamInfo } from "nats";
import { type LogMessage, PartitionHalted, type StreamState } from "../actors/ports.ts";
import { apiCodeOf, apiCodes } from "./apiError.ts";
import { millisOf, nanosOfRfc3339 } from "./brokerTime.ts";
import type { NatsLink } from "./connection.ts";
import { streamName } from "./names.ts";

/** What is to be thrown instead of an error: without its stream a partition must not go on. */
export function haltedWhenGone(error: unknown): unknown {
  if (apiCodeOf(error) !== apiCodes.streamNotFound) return error;
  return new PartitionHalted(
    "its stream is gone; put the broker's data back, or accept the loss, which makes it anew",
  );
}

/** An empty stream gives 0 or 1 or the next sequence as its first one, depending on its past. */
export function stateOf(info: StreamInfo): StreamState {
  const { messages, first_seq, last_seq } = info.state;
  return {
    created: info.created,
    firstSequence: messages === 0 ? last_seq + 1 : first_seq,
    lastSequence: last_seq,
  };
}

/** The message with this sequence, or undefined when the stream does not hold it. */
export async function findMessage(
  link: NatsLink,
  partition: number,
  sequence: number,
): Promise<LogMessage | undefined> {
  if (!Number.isSafeInteger(sequence) || sequence < 1) return undefined;
  try {
    const stored = await link.manager.streams.getMessage(streamName(partition), { seq: sequence });
    const time = nanosOfRfc3339(stored.timestamp);
    return { sequence: stored.seq, time, timeMs: millisOf(time), data: stored.data };
  } catch (error) {
    if (apiCodeOf(error) === apiCodes.messageNotFound) return undefined;
    throw haltedWhenGone(error);
  }
}
