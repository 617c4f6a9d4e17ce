/** What an accepted loss changes: see the function `accept_loss`. */
import type { LeftPartition, LossCommit, LossStore } from "../actors/operatorPorts.ts";
import { type CheckpointRow, checkpointColumns, toCheckpoint } from "./checkpointRow.ts";
import type { Database } from "./database.ts";

export class PostgresLossStore implements LossStore {
  constructor(private readonly database: Database) {}

  async left(partition: number): Promise<LeftPartition | undefined> {
    const [row] = await this.database.run(
      (sql) => sql<
        (CheckpointRow & { epoch: bigint; halted: string | null; loss_accepted_time: string })[]
      >`
        select ${checkpointColumns(sql)}, epoch, case when halted then stopped end as halted,
          loss_accepted_time
        from partitions where partition = ${partition}
      `,
    );
    if (row === undefined) return undefined;
    return {
      epoch: Number(row.epoch),
      halted: row.halted ?? undefined,
      lossAcceptedTime: row.loss_accepted_time,
      checkpoint: { ...toCheckpoint(row), state: undefined },
    };
  }

  async accept(loss: LossCommit): Promise<"accepted" | "running" | "conflict"> {
    const [row] = await this.database.run(
      (sql) => sql<{ outcome: "accepted" | "running" | "conflict" }[]>`
        select accept_loss(
          p_partition => ${loss.partition},
          p_epoch => ${loss.epoch},
          p_expected_sequence => ${loss.expectedSequence},
          p_expected_position => ${loss.expectedPosition},
          p_stream_created => ${loss.streamCreated},
          p_sequence => ${loss.sequence},
          p_message_time => ${loss.messageTime},
          p_counted_time => ${loss.countedTime},
          p_empty_state => ${JSON.stringify(loss.emptyState)}::text::jsonb,
          p_data => ${JSON.stringify(loss.data)}::text::jsonb,
          p_accepted_by => ${loss.by}
        ) as outcome
      `,
    );
    if (row === undefined) throw new Error("accept_loss returned nothing");
    return row.outcome;
  }
}
