/**
 * Reads the event log and the tables for questions about the past. Nothing here locks or writes.
 */
import type {
  ActorTotals,
  HistoryStore,
  PartitionPlace,
  QuarantinedPayload,
  TableRows,
} from "../actors/historyPorts.ts";
import type { RememberedTokens } from "../actors/ports.ts";
import type { RecordedEvent } from "../actors/readPorts.ts";
import type { ActorName } from "../domain/actorName.ts";
import type { Receipt } from "../domain/receipt.ts";
import { type CheckpointRow, checkpointColumns, toCheckpoint } from "./checkpointRow.ts";
import type { Database, Sql } from "./database.ts";
import { type EventRow, eventColumns, shownColumns, toRecordedEvent } from "./eventPage.ts";
import { memorySpans, memoryThrough } from "./sessionMemories.ts";
import { weighedPage } from "./weighedPage.ts";
import { lastWindowThrough, windowReaching } from "./windowSearch.ts";

export class PostgresHistoryStore implements HistoryStore {
  constructor(private readonly database: Database) {}

  async place(partition: number): Promise<PartitionPlace> {
    const [row] = await this.database.run(
      (sql) => sql<(CheckpointRow & { sequences_from: Date | null; loss_accepted_time: string })[]>`
        select ${checkpointColumns(sql)}, nullif(sequences_from, '-infinity') as sequences_from,
          loss_accepted_time
        from partitions where partition = ${partition}
      `,
    );
    if (row === undefined) throw new Error(`there is no partition ${partition}`);
    return {
      ...toCheckpoint(row),
      sequencesFromMs: row.sequences_from?.getTime() ?? Number.NEGATIVE_INFINITY,
      lossAcceptedTime: row.loss_accepted_time,
    };
  }

  lastWindowThrough(partition: number, timeMs: number) {
    return lastWindowThrough(this.database, partition, timeMs);
  }

  windowReaching(partition: number, sequence: number, afterMs: number) {
    return windowReaching(this.database, partition, sequence, afterMs);
  }

  async event(partition: number, position: number): Promise<RecordedEvent | undefined> {
    const [event] = await this.#events(
      (sql) => sql<EventRow[]>`
        select ${eventColumns(sql)} from events
        where partition = ${partition} and position = ${position}
      `,
    );
    return event;
  }

  async sealedEvent(name: ActorName, windowEndMs: number): Promise<RecordedEvent | undefined> {
    const [event] = await this.#events(
      (sql) => sql<EventRow[]>`
        select ${eventColumns(sql)} from events
        where ${isAbout(sql, name)} and window_end = ${new Date(windowEndMs)}
      `,
    );
    return event;
  }

  async *sealedEvents(
    partition: number,
    afterMs: number,
    throughMs: number,
  ): AsyncIterable<readonly RecordedEvent[]> {
    let position = 0;
    for (;;) {
      const after = position;
      const page = await this.#events((sql) =>
        eventsInWindows(sql, partition, after, afterMs, throughMs),
      );
      if (page.length === 0) return;
      position = page.at(-1)?.position ?? position;
      yield page;
    }
  }

  eventsAround(partition: number, windowEndMs: number, sequence: number, limit: number) {
    return this.#events(
      (sql) => sql<EventRow[]>`
        select ${shownColumns(sql)} from events
        where partition = ${partition} and type = 'WindowSealed'
          and window_end = ${new Date(windowEndMs)}
          and (event_data(type, version, data) ->> 'firstSequence')::bigint <= ${sequence}
          and (event_data(type, version, data) ->> 'lastSequence')::bigint >= ${sequence}
        order by position limit ${limit}
      `,
    );
  }

  eventsThrough(name: ActorName, throughMs: number, position: number, limit: number) {
    return this.#events(
      (sql) => sql<EventRow[]>`
        select ${shownColumns(sql)} from events
        where ${isAbout(sql, name)} and window_end <= ${new Date(throughMs)}
          and position <= ${position}
        order by window_end desc limit ${limit}
      `,
    );
  }

  async totals(name: ActorName, throughMs: number, position: number): Promise<ActorTotals> {
    const [row] = await this.database.run(
      // As a record, since each operator on its own would read all tokens of an event once more.
      (sql) => sql<Record<keyof ActorTotals, string>[]>`
        select count(*)::text as windows, coalesce(sum(sealed.cdn), 0)::text as cdn,
          coalesce(sum(sealed.p2p), 0)::text as p2p,
          coalesce(sum(sealed.sessions), 0)::text as sessions,
          coalesce(sum(sealed.payloads), 0)::text as payloads,
          coalesce(sum(sealed.duplicates), 0)::text as duplicates
        from events cross join jsonb_to_record(event_data(type, version, data)) as sealed(
          cdn numeric, p2p numeric, sessions numeric, payloads numeric, duplicates numeric
        )
        where ${isAbout(sql, name)} and window_end <= ${new Date(throughMs)}
          and position <= ${position}
      `,
    );
    return {
      windows: Number(row?.windows ?? 0),
      cdn: BigInt(row?.cdn ?? 0),
      p2p: BigInt(row?.p2p ?? 0),
      sessions: BigInt(row?.sessions ?? 0),
      payloads: BigInt(row?.payloads ?? 0),
      duplicates: BigInt(row?.duplicates ?? 0),
    };
  }

  async *tokensOf(
    name: ActorName,
    afterMs: number,
    throughMs: number,
  ): AsyncIterable<readonly RememberedTokens[]> {
    let after: number | undefined = Math.max(afterMs, 0);
    while (after !== undefined) {
      const page: readonly RememberedTokens[] = await this.#tokensIn(name, after, throughMs);
      after = page.at(-1)?.windowEndMs;
      yield page;
    }
  }

  memorySpans(partition: number, afterMs: number, throughMs: number) {
    return memorySpans(this.database, partition, afterMs, throughMs);
  }

  memoryThrough(partition: number, timeMs: number) {
    return memoryThrough(this.database, partition, timeMs);
  }

  async rows(name: ActorName, windowEndMs: number, partition: number): Promise<TableRows> {
    const [row] = await this.database.run(
      (sql) => sql<
        {
          cdn: bigint | null;
          p2p: bigint | null;
          sessions: bigint | null;
          stats_position: bigint | null;
          sessions_position: bigint | null;
        }[]
      >`
        select s.cdn, s.p2p, n.sessions,
          (
            select position from projection_positions
            where projection = 'stats' and build = 'live' and partition = ${partition}
          ) as stats_position,
          (
            select position from projection_positions
            where projection = 'sessions' and build = 'live' and partition = ${partition}
          ) as sessions_position
        from (
          select ${new Date(windowEndMs)}::timestamptz as time,
            ${name.customer} collate "C" as customer, ${name.content} collate "C" as content
        ) as asked
        left join stats s using (time, customer, content)
        left join sessions n using (time, customer, content)
      `,
    );
    return {
      cdn: row?.cdn ?? undefined,
      p2p: row?.p2p ?? undefined,
      sessions: row?.sessions ?? undefined,
      statsPosition: Number(row?.stats_position ?? 0n),
      sessionsPosition: Number(row?.sessions_position ?? 0n),
    };
  }

  async quarantined({
    partition,
    sequence,
    index,
  }: Receipt): Promise<QuarantinedPayload | undefined> {
    const [row] = await this.database.run(
      (sql) => sql<{ reason: string; retried_as: string | null }[]>`
        select q.reason, q.retried_as
        from quarantine q join partitions p using (partition)
        where q.partition = ${partition} and q.sequence = ${sequence} and q.index in (${index}, -1)
          and (q.incarnation = p.incarnation or q.sequence > p.sequence)
        order by q.quarantined_at desc limit 1
      `,
    );
    return row && { reason: row.reason, retriedAs: row.retried_as ?? undefined };
  }

  async #tokensIn(
    name: ActorName,
    afterMs: number,
    throughMs: number,
  ): Promise<readonly RememberedTokens[]> {
    const rows = await this.database.run(
      (sql) => sql<{ window_end: Date; tokens: string }[]>`
        select window_end, event_data(type, version, data) ->> 'tokens' as tokens
        from ${weighedPage(
          sql,
          sql`
            ${isAbout(sql, name)} and window_end > ${new Date(afterMs)}
            and window_end <= ${new Date(throughMs)}`,
        )}
        order by position
      `,
    );
    return rows.map(({ window_end, tokens }) => ({ windowEndMs: window_end.getTime(), tokens }));
  }

  async #events(select: (sql: Sql) => PromiseLike<EventRow[]>): Promise<RecordedEvent[]> {
    return (await this.database.run(select)).map(toRecordedEvent);
  }
}

function isAbout(sql: Sql, { customer, content }: ActorName) {
  return sql`type = 'WindowSealed' and customer = ${customer} and content = ${content}`;
}

/** A page of the events of windows that end in a span of time. */
function eventsInWindows(
  sql: Sql,
  partition: number,
  position: number,
  afterMs: number,
  throughMs: number,
) {
  return sql<EventRow[]>`
    select ${eventColumns(sql)}
    from ${weighedPage(
      sql,
      sql`
        partition = ${partition} and type = 'WindowSealed' and position > ${position}
        and window_end > ${new Date(Math.max(afterMs, 0))}
        and window_end <= ${new Date(throughMs)}`,
    )}
    order by position
  `;
}
