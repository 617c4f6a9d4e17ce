/**
 * An event log as the product itself would have written it: payloads go through the machine of
 * each partition, and what that seals is committed through the store.
 */
import { Partition } from "../../src/actors/partition.ts";
import { partitionOf } from "../../src/domain/digest.ts";
import { BatchBuilder } from "../../src/domain/envelope.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import type { Database } from "../../src/store/database.ts";
import { PostgresPartitionStore } from "../../src/store/partitions.ts";

interface LogShape {
  readonly partitions: number;
  readonly contents: number;
  readonly windows: number;
  readonly windowMs: number;
  readonly sessionMemoryMs: number;
  /** Start of the first window, epoch ms. */
  readonly startMs: number;
}

const commitEventsMax = 4_000;
const encoder = new TextEncoder();

interface Actor {
  readonly customer: string;
  readonly content: string;
}

/** One event for each content in each window, each of one payload. */
export async function commitSealedEvents(database: Database, shape: LogShape): Promise<void> {
  const actors = Array.from({ length: shape.contents }, (_, index) => ({
    customer: `customer-${index % 20}`,
    content: `content-${index}`,
  }));
  const store = new PostgresPartitionStore(database, 60_000);
  for (let partition = 0; partition < shape.partitions; partition++) {
    const own = actors.filter(
      ({ customer, content }) => partitionOf(customer, content, shape.partitions) === partition,
    );
    await commitPartitionEvents(store, partition, own, shape);
  }
}

async function commitPartitionEvents(
  store: PostgresPartitionStore,
  partition: number,
  actors: readonly Actor[],
  { partitions, windows, windowMs, sessionMemoryMs, startMs }: LogShape,
): Promise<void> {
  const machine = new Partition({ windowMs, partitions, sessionMemoryMs }, partition);
  let position = 0;
  let events: DomainEvent[] = [];
  for (let window = 0; window <= windows; window++) {
    const timeMs = startMs + window * windowMs;
    if (machine.endsWindow(timeMs)) {
      events.push(...machine.seal(timeMs));
      machine.committed();
    }
    const isLast = window === windows;
    if (events.length >= commitEventsMax || isLast) {
      const outcome = await store.commit({
        partition,
        epoch: 0,
        owner: "bench",
        expectedSequence: 0,
        expectedPosition: position,
        // No sequence: the streams are empty, and a worker may read them from their beginning.
        checkpoint: {
          streamCreated: "",
          sequence: 0,
          messageTime: "",
          position: position + events.length,
          sealedThroughMs: machine.sealedThroughMs,
          state: machine.save(),
        },
        events,
        quarantined: [],
      });
      if (outcome !== "committed") throw new Error(`partition ${partition}: ${outcome}`);
      position += events.length;
      events = [];
    }
    if (isLast) return;
    const data = encoder.encode(messageOf(actors, window));
    machine.apply({ sequence: window + 1, timeMs, time: `${timeMs}000000`, data });
  }
}

function messageOf(actors: readonly Actor[], window: number): string {
  const batch = new BatchBuilder();
  for (const [index, actor] of actors.entries()) {
    batch.add({
      ...actor,
      token: `${actor.content}-${Math.floor(window / 10)}`,
      timespan: 30_000,
      p2p: (window * 31 + index) % 1_000_003,
      cdn: (window * 17 + index * 7) % 1_000_003,
      sessionDuration: (window % 10) * 30_000,
    });
  }
  return batch.encode("bench", window + 1);
}
