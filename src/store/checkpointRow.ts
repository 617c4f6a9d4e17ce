/** How far a partition has come, as its row says. */
import type { Checkpoint } from "../actors/ports.ts";
import type { Sql } from "./database.ts";

export interface CheckpointRow {
  stream_created: string;
  sequence: bigint;
  message_time: string;
  position: bigint;
  sealed_through: Date | null;
}

/** The columns of a `CheckpointRow`. */
export function checkpointColumns(sql: Sql) {
  return sql`stream_created, sequence, message_time, position, sealed_through`;
}

export function toCheckpoint(row: CheckpointRow): Omit<Checkpoint, "state"> {
  return {
    streamCreated: row.stream_created,
    sequence: Number(row.sequence),
    messageTime: row.message_time,
    position: Number(row.position),
    sealedThroughMs: row.sealed_through?.getTime() ?? 0,
  };
}
