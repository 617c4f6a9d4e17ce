/** What the admin API reads. */
import type { ProjectionInfo } from "../actors/projectionPorts.ts";
import type {
  AdminQueries,
  EventQuery,
  PartitionInfo,
  RecordedEvent,
} from "../actors/readPorts.ts";
import type { Database } from "./database.ts";
import { selectEvents, toRecordedEvent } from "./eventPage.ts";
import { readProjections } from "./projectionQueries.ts";

export class PostgresAdminQueries implements AdminQueries {
  constructor(private readonly database: Database) {}

  async partitions(): Promise<readonly PartitionInfo[]> {
    const rows = await this.database.run(
      (sql) => sql<
        {
          partition: number;
          owner: string | null;
          epoch: bigint;
          sequence: bigint;
          position: bigint;
          sealed_through: Date | null;
          checkpointed_at: Date | null;
          stopped: string | null;
          halted: boolean;
        }[]
      >`
        select partition, owner, epoch, sequence, position, sealed_through, checkpointed_at,
          stopped, stopped is not null and halted as halted
        from partitions order by partition
      `,
    );
    return rows.map((row) => ({
      partition: row.partition,
      owner: row.owner,
      epoch: Number(row.epoch),
      sequence: Number(row.sequence),
      position: Number(row.position),
      sealedThrough: row.sealed_through?.toISOString() ?? null,
      checkpointedAt: row.checkpointed_at?.toISOString() ?? null,
      stopped: row.stopped,
      halted: row.halted,
    }));
  }

  async events(query: EventQuery): Promise<readonly RecordedEvent[]> {
    const rows = await this.database.run((sql) => selectEvents(sql, query));
    return rows.map(toRecordedEvent);
  }

  projections(): Promise<readonly ProjectionInfo[]> {
    return readProjections(this.database);
  }
}
