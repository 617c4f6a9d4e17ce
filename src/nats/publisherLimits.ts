/**
 * The bounds of the publisher. All bytes are the builder's upper estimate, which is 2.6 to 2.8
 * times the real.
 */
export interface PublisherLimits {
  /** Payloads and bytes queued or in flight, over all partitions. */
  readonly payloadsMax: number;
  readonly bytesMax: number;
  /** The same for one partition. */
  readonly partitionPayloadsMax: number;
  readonly partitionBytesMax: number;
  /** A message takes no more payloads once it holds this much: some 1,300 of them. */
  readonly messageBytesMax: number;
  /** A beat ends after this long, though some of its messages have no answer yet. */
  readonly beatMsMax: number;
  /** The longest rest after a beat. */
  readonly pauseMsMax: number;
  /** How long to wait for an answer before sending again. */
  readonly attemptMs: number;
  /** How long to wait before sending again after an answer that asks for it. */
  readonly retryPauseMs: number;
  /**
   * So often the broker may say that there is no stream; then messages are refused after a single
   * attempt until one is stored. Elections take some seconds, a stream that was deleted is gone.
   */
  readonly absencesMax: number;
  /** How long after it was queued a payload is given up. */
  readonly deadlineMs: number;
  /** How often waiting messages are looked at. */
  readonly tendIntervalMs: number;
}

const defaults: PublisherLimits = {
  payloadsMax: 300_000,
  bytesMax: 128 * 1_048_576,
  partitionPayloadsMax: 120_000,
  partitionBytesMax: 48 * 1_048_576,
  messageBytesMax: 262_144,
  beatMsMax: 20,
  pauseMsMax: 4,
  attemptMs: 2_000,
  retryPauseMs: 200,
  absencesMax: 30,
  deadlineMs: 8_000,
  tendIntervalMs: 50,
};

/** The limits to work with, within what the server takes in one message. */
export function publisherLimits(
  chosen: Partial<PublisherLimits>,
  serverMessageBytesMax: number,
): PublisherLimits {
  const limits = { ...defaults, ...chosen };
  // The last payload of a message may go over the bound, and header and envelope come on top.
  const messageBytesMax = Math.min(limits.messageBytesMax, serverMessageBytesMax - 16_384);
  if (messageBytesMax < 1) {
    throw new Error(`the NATS server takes messages up to ${serverMessageBytesMax} bytes only`);
  }
  return { ...limits, messageBytesMax };
}
