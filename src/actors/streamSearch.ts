/** Finds a place in a stream by the broker's time, which grows along the sequence. */
import type { PayloadStreams, StreamState } from "./ports.ts";

/**
 * The first message held whose time is later, by bisection; the next one to come when there is
 * none.
 */
export async function firstAfter(
  streams: Pick<PayloadStreams, "message">,
  partition: number,
  { firstSequence, lastSequence }: StreamState,
  time: string,
): Promise<number> {
  const end = lastSequence + 1;
  const heldFrom = async (sequence: number, before: number) => {
    for (let next = sequence; next < before; next++) {
      const message = await streams.message(partition, next);
      if (message !== undefined) return message;
    }
    return undefined;
  };
  let low = firstSequence;
  let high = end;
  while (time !== "" && low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = await heldFrom(middle, high);
    if (message === undefined || isLater(message.time, time)) high = middle;
    else low = message.sequence + 1;
  }
  return (await heldFrom(low, end))?.sequence ?? end;
}

/** Compares times of the broker: nanoseconds since the epoch do not fit a double. */
export function isLater(time: string, than: string): boolean {
  return BigInt(time || "0") > BigInt(than || "0");
}
