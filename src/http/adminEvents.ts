/** Partitions and their events: the event log for people. */
import { Elysia } from "elysia";
import type { AdminQueries, EventQuery, RecordedEvent } from "../actors/readPorts.ts";
import { partitionOf } from "../domain/digest.ts";
import type { Log } from "../log.ts";
import { eventsDetail, partitionsDetail } from "./adminEventDocs.ts";
import { adminPageDefault, adminPageMax } from "./limits.ts";
import { askPort } from "./portCall.ts";
import { QueryReader } from "./queryParams.ts";

interface AdminEventsDependencies {
  readonly queries: AdminQueries;
  readonly partitions: number;
  readonly log: Log;
}

/** The plugin with `GET /admin/partitions` and `/admin/events`. */
export function adminEventsController({ queries, partitions, log }: AdminEventsDependencies) {
  return new Elysia({ name: "admin-events" })
    .get(
      "/admin/partitions",
      async ({ request }) => {
        new QueryReader(request.url).finish();
        return { partitions: await askPort(log, () => queries.partitions()) };
      },
      { detail: partitionsDetail },
    )
    .get(
      "/admin/events",
      async ({ request }) => {
        const query = readEventQuery(request.url, partitions);
        const events = await askPort(log, () => queries.events(query));
        return { events: events.map(eventFields), next: nextPosition(query, events) };
      },
      { detail: eventsDetail },
    );
}

/**
 * An event without its digests of tokens: they are there for machines, and may take more room
 * than all the rest of an answer.
 */
export function eventFields({ data, ...event }: RecordedEvent) {
  const fields = {
    ...event,
    // Not every event is about an actor.
    customer: event.customer || null,
    content: event.content || null,
    windowEnd: event.windowEnd || null,
  };
  if (typeof data !== "object" || data === null || !("tokens" in data)) return { ...fields, data };
  const { tokens: _, ...rest } = data;
  return { ...fields, data: rest };
}

function readEventQuery(url: string, partitions: number): EventQuery {
  const reader = new QueryReader(url);
  const customer = reader.name("customer");
  const content = reader.name("content");
  const isOneActor = customer !== undefined && content !== undefined;
  const partition =
    reader.integer("partition", 0, partitions - 1) ??
    (isOneActor ? partitionOf(customer, content, partitions) : undefined);
  const afterPosition = reader.integer("afterPosition", 0, Number.MAX_SAFE_INTEGER);
  if (afterPosition !== undefined && partition === undefined && !reader.has("partition")) {
    const needed = "needs partition, or customer and content: every partition counts for itself";
    reader.refuse("afterPosition", needed);
  }
  const limit = reader.integer("limit", 1, adminPageMax) ?? adminPageDefault;
  const order = reader.oneOf("order", ["desc", "asc"]) ?? "desc";
  reader.finish();
  return { partition, customer, content, afterPosition, limit, order };
}

/** `afterPosition` of the next page; null where there is none, or no partition to page in. */
function nextPosition(query: EventQuery, events: readonly RecordedEvent[]): number | null {
  if (query.partition === undefined || events.length < query.limit) return null;
  return events.at(-1)?.position ?? null;
}
