import {
  type Checkpoint,
  PartitionHalted,
  type PayloadStreams,
  type StreamState,
} from "./ports.ts";

/** The last message applied, and the stream it came from. */
export type StreamPlace = Pick<Checkpoint, "streamCreated" | "sequence" | "messageTime">;

/**
 * Checks that a stream is the one that was read up to `place`, and still holds all that comes
 * after it (invariant I10). A stream that was restored from an old copy or made anew gives
 * sequences a second time, and reading on from the old place would skip payloads in silence.
 * @returns the creation time of the stream.
 * @throws PartitionHalted that says what is wrong.
 */
export async function verifyStream(
  streams: PayloadStreams,
  partition: number,
  place: StreamPlace,
): Promise<string> {
  // The message first: a stream that is replaced between the two answers then shows in the second.
  const message = place.sequence > 0 ? await streams.message(partition, place.sequence) : undefined;
  const found = await streams.state(partition);
  if (!(await isSameStream(streams, partition, place, found))) {
    throw new PartitionHalted(
      `the stream was made anew: the checkpoint follows one of ${place.streamCreated}, ` +
        `this one is of ${found.created}`,
    );
  }
  if (place.sequence > found.lastSequence) {
    throw new PartitionHalted(
      `the stream ends at sequence ${found.lastSequence}, before the checkpoint at ` +
        `${place.sequence}: broker data was restored from an older copy or cut off`,
    );
  }
  if (found.firstSequence > place.sequence + 1) {
    throw new PartitionHalted(
      `messages ${place.sequence + 1} to ${found.firstSequence - 1} were dropped before they ` +
        "were read",
    );
  }
  if (message !== undefined && message.time !== place.messageTime) {
    throw new PartitionHalted(
      `message ${place.sequence} is not the one that the checkpoint follows: broker data was ` +
        "restored from an older copy",
    );
  }
  return found.created;
}

/**
 * True when a stream is the one that was read up to a place, or none was read yet.
 *
 * A stream that was edited may have another time of creation after the next start of nats-server
 * 2.9, which then writes when it was started itself. It is the same one if it holds the last
 * message under its sequence, with its time in nanoseconds, or was trimmed up to that message. That
 * is asked after the time of creation was, so that the answer is about that stream or a later one.
 */
export async function isSameStream(
  streams: Pick<PayloadStreams, "message">,
  partition: number,
  { streamCreated, sequence, messageTime }: StreamPlace,
  { created, firstSequence }: StreamState,
): Promise<boolean> {
  if (streamCreated === "" || streamCreated === created) return true;
  if (sequence === 0) return false;
  const message = await streams.message(partition, sequence);
  return message === undefined ? firstSequence === sequence + 1 : message.time === messageTime;
}
