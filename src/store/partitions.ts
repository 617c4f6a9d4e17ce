/** Checkpoints, commits, and what the event log tells an owner about the past of its partition. */
import type {
  Commit,
  CommitOutcome,
  LoadedCheckpoint,
  PartitionStop,
  PartitionStore,
  RememberedTokens,
  Turns,
} from "../actors/ports.ts";
import { atOnce } from "../domain/pausing.ts";
import { type CheckpointRow, checkpointColumns, toCheckpoint } from "./checkpointRow.ts";
import { type Database, DeadlineExceeded, NoConnectionFree } from "./database.ts";
import { commitPartition } from "./eventLog.ts";
import { EventsNotice, eventsChannel } from "./eventsNotice.ts";
import { HeavyStatements } from "./heavyStatements.ts";
import { weighedPage } from "./weighedPage.ts";

interface TokensRow {
  readonly position: bigint;
  readonly window_end: Date;
  readonly tokens: string;
}

/** A checkpoint may hold 256 MB, and an owner can do nothing before it has it. */
const largeLoadMs = 60_000;

/** For who has nothing else to do meanwhile. */
const withoutPause: Turns = {
  run: async (work) => atOnce(work),
  runNext: async (work) => atOnce(work),
};

export class PostgresPartitionStore implements PartitionStore {
  readonly #notice: EventsNotice;

  /**
   * @param commitDeadlineMs after which the outcome of a small commit counts as unknown.
   * @param turns shared with what else is done in turns in this process.
   * @param heavy shared with the projector of this process.
   */
  constructor(
    private readonly database: Database,
    private readonly commitDeadlineMs = 10_000,
    private readonly turns: Turns = withoutPause,
    private readonly heavy = new HeavyStatements(),
  ) {
    this.#notice = new EventsNotice(() =>
      database.run((sql) => sql`select pg_notify(${eventsChannel}, '')`),
    );
  }

  /**
   * The checkpoint. A commit whose answer was lost was written if `sequence` and `position` are
   * its own. Waits for a commit of the partition that is under way in the server; one that only
   * arrives later still meets the checks of `commit_partition`.
   */
  async load(partition: number): Promise<LoadedCheckpoint> {
    try {
      return await this.#load(partition);
    } catch (error) {
      // The connection was dead, which another one is not; or the checkpoint is large; or hundreds
      // of partitions start at once.
      if (!(error instanceof DeadlineExceeded || error instanceof NoConnectionFree)) throw error;
      return await this.#load(partition, largeLoadMs);
    }
  }

  async #load(partition: number, deadlineMs?: number): Promise<LoadedCheckpoint> {
    const [row] = await this.database.run(
      (sql) => sql<(CheckpointRow & { state: unknown; stopped: boolean })[]>`
        select ${checkpointColumns(sql)}, state, stopped is not null as stopped
        from partitions where partition = ${partition} for update
      `,
      deadlineMs,
    );
    if (row === undefined) throw new Error(`there is no partition ${partition}`);
    return { ...toCheckpoint(row), state: row.state ?? undefined, isStopped: row.stopped };
  }

  async commit(commit: Commit): Promise<CommitOutcome> {
    const outcome = await commitPartition(
      this.database,
      commit,
      this.turns,
      this.heavy,
      this.commitDeadlineMs,
    );
    if (outcome === "committed") this.#notice.committed(commit);
    return outcome;
  }

  async *rememberedTokens(
    partition: number,
    afterMs: number,
  ): AsyncIterable<readonly RememberedTokens[]> {
    let position = await this.#positionBefore(partition, afterMs);
    while (position !== undefined) {
      const page = await this.#tokensAfter(partition, position);
      position = page.at(-1)?.position;
      if (page.length === 0) return;
      yield page.map((row) => ({ windowEndMs: row.window_end.getTime(), tokens: row.tokens }));
    }
  }

  async lastSealedSequence(
    partition: number,
    windowEndMs: number,
    sealedMs: number,
  ): Promise<number> {
    const [row] = await this.database.run(
      // The windows of a partition are contiguous ranges of its sequences, so the last of them
      // holds the last sequence. Windows from before an accepted loss name other sequences.
      (sql) => sql<{ sequence: bigint }[]>`
        select coalesce(
          max((event_data(type, version, data) ->> 'lastSequence')::bigint), 0
        ) as sequence
        from events
        where partition = ${partition} and type = 'WindowSealed' and window_end = (
          select max(window_end) from events
          where partition = ${partition} and type = 'WindowSealed'
            and window_end <= ${new Date(windowEndMs)}
            and recorded_at <= ${new Date(sealedMs)}
            and window_end > (
              select sequences_from from partitions where partition = ${partition}
            )
        )
      `,
    );
    return Number(row?.sequence ?? 0n);
  }

  /** Does nothing when the partition is under another epoch. A commit says that it runs. */
  async markStopped(
    partition: number,
    epoch: number,
    stop: PartitionStop | undefined,
  ): Promise<void> {
    await this.database.run(
      (sql) => sql`
        update partitions
        set stopped = ${stop?.reason ?? null}, halted = ${stop?.isHalted ?? true}
        where partition = ${partition} and epoch = ${epoch}
      `,
    );
  }

  /** Does nothing when the partition is under another epoch. */
  async markGoingOn(partition: number, epoch: number): Promise<void> {
    await this.database.run(
      (sql) => sql`
        update partitions set halted = false where partition = ${partition} and epoch = ${epoch}
      `,
    );
  }

  /** The position before the first event of a window that ends after a time. */
  async #positionBefore(partition: number, afterMs: number): Promise<bigint | undefined> {
    const [row] = await this.database.run(
      (sql) => sql<{ position: bigint | null }[]>`
        select min(position) - 1 as position
        from events
        where partition = ${partition} and type = 'WindowSealed' and window_end = (
          select min(window_end) from events
          where partition = ${partition} and type = 'WindowSealed'
            and window_end > ${new Date(afterMs)}
        )
      `,
    );
    return row?.position ?? undefined;
  }

  #tokensAfter(partition: number, position: bigint): Promise<readonly TokensRow[]> {
    return this.database.run(
      (sql) => sql<TokensRow[]>`
        select position, window_end, event_data(type, version, data) ->> 'tokens' as tokens
        from ${weighedPage(
          sql,
          sql`partition = ${partition} and position > ${position} and type = 'WindowSealed'`,
        )}
        order by position
      `,
    );
  }
}
