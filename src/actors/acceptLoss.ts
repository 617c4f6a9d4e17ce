/**
 * The way on for a partition that is stopped because its stream does not continue its checkpoint
 * (invariant I10): an operator accepts that messages are lost.
 *
 * Sequences may have started over, so the place to go on is found by the broker's time, which
 * grows along the sequence: the first message that is later than the last one read. So nothing is
 * counted twice that was counted before, and everything is counted that was stored since. A stream
 * that is gone is made anew, so that there is a place to go on.
 */
import type { LossAcceptedData } from "../domain/events.ts";
import type {
  AcceptLossOutcome,
  LeftPartition,
  LossStore,
  PartitionControl,
} from "./operatorPorts.ts";
import { emptyPartitionState } from "./partitionState.ts";
import type { LogMessage, PayloadStreams, StreamState } from "./ports.ts";
import { firstAfter, isLater } from "./streamSearch.ts";

const triesMax = 5;

export class LossAcceptance implements PartitionControl {
  constructor(
    private readonly streams: Pick<PayloadStreams, "state" | "message">,
    private readonly store: LossStore,
    /** Makes the stream of a partition when it is gone. */
    private readonly makeMissingStream: (partition: number) => Promise<void>,
  ) {}

  /** A worker may try the partition anew meanwhile, under another epoch; that is no obstacle. */
  async acceptLoss(partition: number, by: string): Promise<AcceptLossOutcome> {
    for (let tries = 1; ; tries++) {
      const outcome = await this.#tryOnce(partition, by);
      if (outcome.kind !== "conflict" || tries === triesMax) return outcome;
    }
  }

  async #tryOnce(partition: number, by: string): Promise<AcceptLossOutcome> {
    const left = await this.store.left(partition);
    if (left === undefined) return { kind: "unknown" };
    if (left.halted === undefined) return { kind: "running" };
    const { checkpoint } = left;
    await this.makeMissingStream(partition);
    const stream = await this.streams.state(partition);
    const countedTime = latest(checkpoint.messageTime, left.lossAcceptedTime);
    const continuesFrom = await firstAfter(this.streams, partition, stream, countedTime);
    const data = describe(left, left.halted, stream, continuesFrom);
    const last = await this.#held(partition, stream, continuesFrom - 1);
    const kind = await this.store.accept({
      partition,
      epoch: left.epoch,
      expectedSequence: checkpoint.sequence,
      expectedPosition: checkpoint.position,
      streamCreated: stream.created,
      sequence: continuesFrom - 1,
      messageTime: last?.time ?? "",
      countedTime,
      emptyState: emptyPartitionState,
      data,
      by,
    });
    return kind === "accepted" ? { kind, position: checkpoint.position + 1, data } : { kind };
  }

  async #held(
    partition: number,
    { firstSequence }: StreamState,
    sequence: number,
  ): Promise<LogMessage | undefined> {
    return sequence < firstSequence ? undefined : this.streams.message(partition, sequence);
  }
}

function describe(
  { checkpoint }: LeftPartition,
  reason: string,
  stream: StreamState,
  continuesFrom: number,
): LossAcceptedData {
  return {
    reason,
    checkpoint: { sequence: checkpoint.sequence, time: checkpoint.messageTime },
    streamCreatedBefore: checkpoint.streamCreated,
    streamCreatedAfter: stream.created,
    firstSequence: stream.firstSequence,
    lastSequence: stream.lastSequence,
    continuesFrom,
  };
}

function latest(time: string, other: string): string {
  return isLater(other, time) ? other : time;
}
