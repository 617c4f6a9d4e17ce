/**
 * Reads the event log and the tables for questions about the past. Nothing here locks or writes.
 */
import type {
  ActorTotals,
  HistoryStore,
  PartitionPlace,
  QuarantinedPayload,
  SealedWindow,
  TableRows,
} from "../actors/historyPorts.ts";
import type { RememberedTokens } from "../actors/ports.ts";
import type { RecordedEvent } from "../actors/readPorts.ts";
import type { ActorName } from "../domain/actorName.ts";
import type { Receipt } from "../domain/receipt.ts";
import type { Database, Sql } from "./database.ts";
import { type EventRow, eventColumns, toRecordedEvent } from "./eventPage.ts";
import { memorySpans, memoryThrough } from "./sessionMemories.ts";
import { weighedPage } from "./weighedPage.ts";
import { windowReaching } from "./windowSearch.ts";

export class PostgresHistoryStore implements HistoryStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async place(partition: number): Promise<PartitionPlace> {
    const [row] = await this.#database.run(
      (sql) => sql<
        {
          stream_created: string;
          sequence: bigint;
          message_time: string;
          position: bigint;
          sealed_through: Date | null;
          sequences_from: Date | null;
          loss_accepted_time: string;
        }[]
      >`
        select stream_created, sequence, message_time, position, sealed_through,
          nullif(sequences_from, '-infinity') as sequences_from, loss_accepted_time
        from partitions where partition = ${partition}
      `,
    );
    if (row === undefined) throw new Error(`there is no partition ${partition}`);
    return {
      streamCreated: row.stream_created,
      sequence: Number(row.sequence),
      messageTime: row.message_time,
      position: Number(row.position),
      sealedThroughMs: row.sealed_through?.getTime() ?? 0,
      sequencesFromMs: row.sequences_from?.getTime() ?? Number.NEGATIVE_INFINITY,
      lossAcceptedTime: row.loss_accepted_time,
    };
  }

  async lastWindowThrough(partition: number, timeMs: number): Promise<SealedWindow | undefined> {
    const [row] = await this.#database.run(
      (sql) => sql<{ window_end: Date; sequence: bigint }[]>`
        select window_end,
          max((event_data(type, version, data) ->> 'lastSequence')::bigint) as sequence
        from events
        where partition = ${partition} and type = 'WindowSealed' and window_end = (
          select max(window_end) from events
          where partition = ${partition} and type = 'WindowSealed'
            and window_end <= ${new Date(timeMs)}
        )
        group by window_end
      `,
    );
    return row && { windowEndMs: row.window_end.getTime(), lastSequence: Number(row.sequence) };
  }

  windowReaching(partition: number, sequence: number, afterMs: number) {
    return windowReaching(this.#database, partition, sequence, afterMs);
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
        select ${eventColumns(sql)} from events
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
        select ${eventColumns(sql)} from events
        where ${isAbout(sql, name)} and window_end <= ${new Date(throughMs)}
          and position <= ${position}
        order by window_end desc limit ${limit}
      `,
    );
  }

  async totals(name: ActorName, throughMs: number, position: number): Promise<ActorTotals> {
    const [row] = await this.#database.run(
      (sql) => sql<Record<"windows" | "cdn" | "p2p" | "sessions" | "payloads" | "dups", string>[]>`
        select count(*)::text as windows,
          coalesce(sum((event_data(type, version, data) ->> 'cdn')::numeric), 0)::text as cdn,
          coalesce(sum((event_data(type, version, data) ->> 'p2p')::numeric), 0)::text as p2p,
          coalesce(sum((event_data(type, version, data) ->> 'sessions')::numeric), 0)::text
            as sessions,
          coalesce(sum((event_data(type, version, data) ->> 'payloads')::numeric), 0)::text
            as payloads,
          coalesce(sum((event_data(type, version, data) ->> 'duplicates')::numeric), 0)::text
            as dups
        from events
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
      duplicates: BigInt(row?.dups ?? 0),
    };
  }

  async tokensOf(
    name: ActorName,
    afterMs: number,
    throughMs: number,
  ): Promise<readonly RememberedTokens[]> {
    const rows = await this.#database.run(
      (sql) => sql<{ window_end: Date; tokens: string }[]>`
        select window_end, event_data(type, version, data) ->> 'tokens' as tokens from events
        where ${isAbout(sql, name)} and window_end <= ${new Date(throughMs)}
          and window_end > ${new Date(Math.max(afterMs, 0))}
        order by window_end
      `,
    );
    return rows.map(({ window_end, tokens }) => ({ windowEndMs: window_end.getTime(), tokens }));
  }

  memorySpans(partition: number, afterMs: number, throughMs: number) {
    return memorySpans(this.#database, partition, afterMs, throughMs);
  }

  memoryThrough(partition: number, timeMs: number) {
    return memoryThrough(this.#database, partition, timeMs);
  }

  async rows(name: ActorName, windowEndMs: number, partition: number): Promise<TableRows> {
    const [row] = await this.#database.run(
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
    const [row] = await this.#database.run(
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

  async #events(select: (sql: Sql) => PromiseLike<EventRow[]>): Promise<RecordedEvent[]> {
    return (await this.#database.run(select)).map(toRecordedEvent);
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
