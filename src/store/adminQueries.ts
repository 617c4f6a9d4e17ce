/** What the admin API reads. */
import type {
  AdminQueries,
  EventQuery,
  PartitionInfo,
  ProjectionInfo,
  RecordedEvent,
} from "../actors/readPorts.ts";
import type { Database } from "./database.ts";
import { type EventRow, selectEvents, toRecordedEvent } from "./eventPage.ts";

interface ProjectionRow {
  readonly name: string;
  readonly version: number;
  readonly paused: boolean;
  readonly applied: bigint;
  readonly events: bigint;
  readonly sealed_through: Date | null;
  readonly rebuild_started_at: Date | null;
  readonly rebuild_applied: bigint;
}

export class PostgresAdminQueries implements AdminQueries {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async partitions(): Promise<readonly PartitionInfo[]> {
    const rows = await this.#database.run(
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
        }[]
      >`
        select partition, owner, epoch, sequence, position, sealed_through, checkpointed_at, stopped
        from partitions order by partition
      `,
    );
    return rows.map((row) => ({
      partition: row.partition,
      owner: row.owner ?? undefined,
      epoch: Number(row.epoch),
      sequence: Number(row.sequence),
      position: Number(row.position),
      sealedThrough: row.sealed_through?.toISOString(),
      checkpointedAt: row.checkpointed_at?.toISOString(),
      stopped: row.stopped ?? undefined,
    }));
  }

  async events(query: EventQuery): Promise<readonly RecordedEvent[]> {
    const rows = await this.#database.run((sql) => selectEvents(sql, query));
    return rows.map(toRecordedEvent);
  }

  async event(partition: number, position: number): Promise<RecordedEvent | undefined> {
    const [row] = await this.#database.run(
      (sql) => sql<EventRow[]>`
        select * from events where partition = ${partition} and position = ${position}
      `,
    );
    return row && toRecordedEvent(row);
  }

  async projections(): Promise<readonly ProjectionInfo[]> {
    const rows = await this.#database.run(
      (sql) => sql<ProjectionRow[]>`
        select name, version, paused, rebuild_started_at, live.applied, live.sealed_through,
          (select coalesce(sum(position), 0)::bigint from partitions) as events,
          (
            select coalesce(sum(position), 0)::bigint from projection_positions
            where projection = name and build = 'rebuild'
          ) as rebuild_applied
        from projections
        cross join lateral (
          select coalesce(sum(position), 0)::bigint as applied,
            case when bool_and(sealed_through is not null) then min(sealed_through) end
              as sealed_through
          from projection_positions where projection = name and build = 'live'
        ) as live
        order by name
      `,
    );
    return rows.map(toProjectionInfo);
  }
}

function toProjectionInfo(row: ProjectionRow): ProjectionInfo {
  const events = Number(row.events);
  const startedAt = row.rebuild_started_at?.toISOString();
  const running = startedAt === undefined ? "running" : "rebuilding";
  return {
    name: row.name,
    version: row.version,
    state: row.paused ? "paused" : running,
    applied: Number(row.applied),
    events,
    sealedThrough: row.sealed_through?.toISOString(),
    rebuild:
      startedAt === undefined
        ? undefined
        : { startedAt, applied: Number(row.rebuild_applied), events },
  };
}
