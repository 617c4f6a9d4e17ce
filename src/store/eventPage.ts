/** Reads events for people: by partition, by actor, or the newest or oldest of all. */
import type { EventQuery, RecordedEvent } from "../actors/readPorts.ts";
import type { Sql } from "./database.ts";

/** The columns of an event, with its data as the newest version has it. */
export function eventColumns(sql: Sql) {
  return sql`${aboutEvent(sql)}, event_data(type, version, data) as data`;
}

/** The same without its digests of tokens, which nobody is shown and which may be megabytes. */
export function shownColumns(sql: Sql) {
  return sql`${aboutEvent(sql)}, event_data(type, version, data) - 'tokens' as data`;
}

function aboutEvent(sql: Sql) {
  return sql`
    partition, position, type, version, customer, content, window_end, recorded_at, epoch,
    sealed_by`;
}

export interface EventRow {
  readonly partition: number;
  readonly position: bigint;
  readonly type: string;
  readonly version: number;
  /** Null for events that are about no actor. */
  readonly customer: string | null;
  readonly content: string | null;
  readonly window_end: Date | null;
  readonly data: unknown;
  readonly recorded_at: Date;
  readonly epoch: bigint;
  readonly sealed_by: string;
}

/** Each kind of question has the index that answers it; all keep to the other filters too. */
export function selectEvents(sql: Sql, query: EventQuery) {
  const { partition, customer, content } = query;
  // An actor's events have the same order by window as by position, and an index by window.
  const isOfActor = customer !== undefined && content !== undefined;
  if (partition !== undefined && !isOfActor) return eventsOfPartition(sql, query);
  if (customer !== undefined) return eventsOfCustomer(sql, query);
  return eventsOfAll(sql, query);
}

/** In the order of positions. */
function eventsOfPartition(sql: Sql, query: EventQuery) {
  return sql<EventRow[]>`
    select ${shownColumns(sql)} from events
    where true ${wanted(sql, query)}
    order by position ${direction(sql, query)}
    limit ${query.limit}
  `;
}

/** In the order of windows. */
function eventsOfCustomer(sql: Sql, query: EventQuery) {
  return sql<EventRow[]>`
    select ${shownColumns(sql)} from events
    where type = 'WindowSealed' ${wanted(sql, query)}
    order by window_end ${direction(sql, query)}, partition, position
    limit ${query.limit}
  `;
}

/** In the order in which they were recorded, of which each partition contributes one end. */
function eventsOfAll(sql: Sql, query: EventQuery) {
  const order = direction(sql, query);
  return sql<EventRow[]>`
    select ${shownColumns(sql)} from (
      select e.* from partitions p
      cross join lateral (
        select * from events
        where events.partition = p.partition ${wanted(sql, query)}
        order by position ${order}
        limit ${query.limit}
      ) as e
      order by e.recorded_at ${order}, e.partition, e.position ${order}
      limit ${query.limit}
    ) as shown
    order by recorded_at ${order}, partition, position ${order}
  `;
}

/** What a query asks for, as the end of a condition. */
function wanted(sql: Sql, query: EventQuery) {
  const { partition, afterPosition, order, customer, content } = query;
  const beyond = order === "desc" ? sql`position <` : sql`position >`;
  return sql`
    ${partition === undefined ? sql`` : sql`and partition = ${partition}`}
    ${afterPosition === undefined ? sql`` : sql`and ${beyond} ${afterPosition}`}
    ${customer === undefined ? sql`` : sql`and customer = ${customer}`}
    ${content === undefined ? sql`` : sql`and content = ${content}`}`;
}

function direction(sql: Sql, { order }: EventQuery) {
  return order === "desc" ? sql`desc` : sql`asc`;
}

export function toRecordedEvent(row: EventRow): RecordedEvent {
  return {
    partition: row.partition,
    position: Number(row.position),
    type: row.type,
    version: row.version,
    customer: row.customer ?? "",
    content: row.content ?? "",
    windowEnd: row.window_end?.toISOString() ?? "",
    data: row.data,
    recordedAt: row.recorded_at.toISOString(),
    sealedBy: row.sealed_by,
    epoch: Number(row.epoch),
  };
}
