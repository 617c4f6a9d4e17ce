/** A row of the table `partitions`, with what the tables `events` and `quarantine` hold of it. */
import type { DomainEvent, Quarantined } from "../../src/domain/events.ts";

interface StoredEvent {
  readonly event: DomainEvent;
  readonly windowEndMs: number;
  readonly epoch: number;
  /** By the server's clock, epoch ms. */
  readonly recordedMs: number;
}

export interface PartitionRow {
  readonly partition: number;
  owner: string | undefined;
  epoch: number;
  streamCreated: string;
  sequence: number;
  messageTime: string;
  position: number;
  /** 0 where the table has null. */
  sealedThroughMs: number;
  /** JSON, so that nothing is shared with who wrote it. */
  state: string | undefined;
  stopped: string | undefined;
  readonly events: StoredEvent[];
  readonly quarantine: Map<string, Quarantined>;
}

export function emptyRow(partition: number): PartitionRow {
  return {
    partition,
    owner: undefined,
    epoch: 0,
    streamCreated: "",
    sequence: 0,
    messageTime: "",
    position: 0,
    sealedThroughMs: 0,
    state: undefined,
    stopped: undefined,
    events: [],
    quarantine: new Map(),
  };
}
