/** Reads events for people: by partition, by actor, or the newest or oldest of all. */
import type { EventQuery, RecordedEvent } from "../actors/readPorts.ts";
import type { Sql } from "./database.ts";

/** The columns of an event, with its data as the newest version has it. */
export function eventColumns(sql: Sql) {
  return sql`
    partition, position, type, version, customer, content, window_end,
    event_data(type, version, data) as data, recorded_at, epoch, sealed_by`;
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
  if (query.partition !== undefined) return eventsOfPartition(sql, query, query.partition);
  if (query.customer !== undefined) return eventsOfCustomer(sql, query, query.customer);
  return eventsOfAll(sql, query);
}

/** In the order of positions. */
function eventsOfPartition(sql: Sql, query: EventQuery, partition: number) {
  const { afterPosition, limit } = query;
  const onward =
    afterPosition === undefined
      ? sql``
      : query.order === "desc"
        ? sql`and position < ${afterPosition}`
        : sql`and position > ${afterPosition}`;
  return sql<EventRow[]>`
    select ${eventColumns(sql)} from events
    where partition = ${partition} ${onward} ${isAbout(sql, query)}
    order by position ${direction(sql, query)}
    limit ${limit}
  `;
}

/** In the order of windows. */
function eventsOfCustomer(sql: Sql, query: EventQuery, customer: string) {
  return sql<EventRow[]>`
    select ${eventColumns(sql)} from events
    where type = 'WindowSealed' and customer = ${customer} ${isAbout(sql, query)}
    order by window_end ${direction(sql, query)}, partition, position
    limit ${query.limit}
  `;
}

/** In the order in which they were recorded, of which each partition contributes one end. */
function eventsOfAll(sql: Sql, query: EventQuery) {
  const order = direction(sql, query);
  return sql<EventRow[]>`
    select e.* from partitions p
    cross join lateral (
      select ${eventColumns(sql)} from events
      where events.partition = p.partition ${isAbout(sql, query)}
      order by position ${order}
      limit ${query.limit}
    ) as e
    order by e.recorded_at ${order}, e.partition, e.position ${order}
    limit ${query.limit}
  `;
}

function isAbout(sql: Sql, { customer, content }: EventQuery) {
  return sql`
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
