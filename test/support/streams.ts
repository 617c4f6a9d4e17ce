import { Partition } from "../../src/actors/partition.ts";
import { readPartitionState } from "../../src/actors/partitionState.ts";
import type { LogMessage } from "../../src/actors/ports.ts";
import { hash32, highSeed, lowSeed } from "../../src/domain/digest.ts";
import { BatchBuilder, encodeTick } from "../../src/domain/envelope.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import { atOnce } from "../../src/domain/pausing.ts";
import { type Rules, tokenMemoryMs } from "../../src/domain/rules.ts";
import type { NaiveMessage, NaiveRow } from "./naiveModel.ts";

const encoder = new TextEncoder();

/** A stream message as the broker would give it. */
export function logMessage(sequence: number, timeMs: number, text: string): LogMessage {
  return { sequence, timeMs, time: `${timeMs}000000`, data: encoder.encode(text) };
}

/** The stream that a list of batches makes, ended by a tick at `endMs`. */
export function streamOf(messages: readonly NaiveMessage[], endMs: number): LogMessage[] {
  const stream = messages.map((message, i) => {
    const batch = new BatchBuilder();
    for (const payload of message.payloads) {
      const digest = payload.key === undefined ? undefined : keyDigest(payload.key);
      batch.add(payload, digest);
    }
    return logMessage(i + 1, message.timeMs, batch.encode(message.publisher, message.number));
  });
  stream.push(logMessage(stream.length + 1, endMs, encodeTick()));
  return stream;
}

export function keyDigest(key: string): string {
  return [highSeed, lowSeed]
    .map((seed) => hash32(key, seed).toString(16).padStart(8, "0"))
    .join("");
}

/** Runs a stream through a partition; `restartAt` says where to go on from a saved checkpoint. */
export function run(
  stream: readonly LogMessage[],
  rules: Rules,
  restartAt: ReadonlySet<number> = new Set(),
): { events: DomainEvent[]; partition: Partition } {
  let partition = new Partition(rules, 0);
  const events: DomainEvent[] = [];
  for (const message of stream) {
    if (partition.endsWindow(message.timeMs)) {
      events.push(...partition.seal(message.timeMs));
      partition.committed();
    }
    partition.apply(message);
    partition.assertConserved();
    if (restartAt.has(message.sequence)) partition = restarted(partition, events, rules);
  }
  return { events, partition };
}

/**
 * A partition as a new process would make it: from the checkpoint, as JSON, and those events that
 * hold tokens to be remembered.
 */
function restarted(partition: Partition, events: readonly DomainEvent[], rules: Rules): Partition {
  const state = readPartitionState(JSON.parse(JSON.stringify(partition.save())));
  const next = new Partition(rules, 0);
  atOnce(next.restoring(partition.sequence, partition.sealedThroughMs, state));
  for (const { data } of events) {
    const windowEndMs = Date.parse(data.windowEnd);
    if (windowEndMs <= partition.sealedThroughMs - tokenMemoryMs(rules)) continue;
    atOnce(next.remembering({ windowEndMs, tokens: data.tokens }));
  }
  return next;
}

/** Sealed events in the form of the naive model's rows. */
export function rowsOf(events: readonly DomainEvent[]): Map<string, NaiveRow> {
  return new Map(
    events.map(({ customer, content, data }) => [
      JSON.stringify([Date.parse(data.windowEnd), customer, content]),
      {
        cdn: BigInt(data.cdn),
        p2p: BigInt(data.p2p),
        sessions: data.sessions,
        payloads: data.payloads,
      },
    ]),
  );
}
