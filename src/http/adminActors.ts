/** Window actors as their owners see them now, wherever these run. */
import { Elysia } from "elysia";
import type { History } from "../actors/historyPorts.ts";
import {
  type ActorDirectory,
  type ActorQuery,
  type ActorView,
  type AdminQueries,
  actorSorts,
  actorStates,
  type RecordedEvent,
} from "../actors/readPorts.ts";
import type { ActorName } from "../domain/actorName.ts";
import { partitionOf } from "../domain/digest.ts";
import type { Log } from "../log.ts";
import { actorDetail, actorsDetail, namedActorDetail } from "./adminActorDocs.ts";
import { eventFields } from "./adminEvents.ts";
import { readMoment, showPastActor } from "./adminHistory.ts";
import { encodeCursor, readCursor } from "./cursor.ts";
import { adminPageDefault, adminPageMax, recentEvents } from "./limits.ts";
import { askPort, unavailable } from "./portCall.ts";
import { Problem } from "./problem.ts";
import { pathNames, QueryReader } from "./queryParams.ts";

interface AdminActorsDependencies {
  readonly actors: ActorDirectory;
  readonly queries: AdminQueries;
  readonly history: History;
  /** How many there are. */
  readonly partitions: number;
  readonly log: Log;
}

/**
 * The plugin with `GET /admin/actors`, `GET /admin/actors/:customer/:content`, and `GET
 * /admin/actor`, which answers the same: no path can hold the names `.` and `..`, since whoever
 * reads a URL takes them for steps in it.
 */
export function adminActorsController(dependencies: AdminActorsDependencies) {
  const { actors, log } = dependencies;

  async function answer(reader: QueryReader, names: ActorName) {
    const moment = readMoment(reader, "at");
    reader.finish();
    if (moment === undefined) return await showActor(dependencies, names);
    return await showPastActor(dependencies.history, log, names, moment);
  }

  return new Elysia({ name: "admin-actors" })
    .get(
      "/admin/actors",
      async ({ request }) => {
        const { query, filters } = readActorQuery(request.url);
        const list = await askPort(log, () => actors.list(query));
        const { next, total, silentPartitions } = list;
        const cursor = next && encodeCursor({ ...next, order: next.weight }, filters);
        const rows = list.actors.map(actorFields);
        return { actors: rows, cursor: cursor ?? null, total, silentPartitions };
      },
      { detail: actorsDetail },
    )
    .get(
      "/admin/actors/:customer/:content",
      ({ request }) => {
        const [customer = "", content = ""] = pathNames(request.url, 2);
        const reader = new QueryReader(request.url);
        return answer(reader, { customer, content });
      },
      { detail: actorDetail },
    )
    .get(
      "/admin/actor",
      ({ request }) => {
        const reader = new QueryReader(request.url);
        return answer(reader, readNames(reader));
      },
      { detail: namedActorDetail },
    );
}

function readNames(reader: QueryReader): ActorName {
  for (const name of ["customer", "content"]) {
    if (!reader.has(name)) reader.refuse(name, "is missing");
  }
  return { customer: reader.name("customer") ?? "", content: reader.name("content") ?? "" };
}

function readActorQuery(url: string): { query: ActorQuery; filters: readonly unknown[] } {
  const reader = new QueryReader(url);
  const customer = reader.name("customer");
  const content = reader.name("content");
  const state = reader.oneOf("state", actorStates);
  const sort = reader.oneOf("sort", actorSorts) ?? "name";
  const limit = reader.integer("limit", 1, adminPageMax) ?? adminPageDefault;
  const filters = ["actors", customer, content, state, sort];
  const cursor = readCursor(reader, filters);
  reader.finish();
  const after = cursor && { ...cursor, weight: cursor.order };
  return { query: { customer, content, state, sort, limit, after }, filters };
}

async function showActor(dependencies: AdminActorsDependencies, names: ActorName) {
  const { actors, queries, log } = dependencies;
  const { customer, content } = names;
  const [actor, events] = await askPort(log, () =>
    Promise.all([
      actors.get(customer, content),
      queries.events({ ...names, limit: recentEvents, order: "desc" }),
    ]),
  );
  if (actor === "silent") throw unavailable(await whySilent(dependencies, names));
  const [newest] = events;
  if (actor === undefined && newest === undefined) {
    throw new Problem("not-found", "No payload of this customer and content is known.");
  }
  const fields =
    newest === undefined || actor !== undefined
      ? actor && actorFields(actor)
      : await askPort(log, () => idleFields(queries, names, newest));
  return { ...fields, events: events.map(eventFields) };
}

async function whySilent({ queries, partitions, log }: AdminActorsDependencies, names: ActorName) {
  const number = partitionOf(names.customer, names.content, partitions);
  const found = await askPort(log, () => queries.partitions());
  const stopped = found.find(({ partition }) => partition === number)?.stopped ?? null;
  return stopped === null
    ? `The owner of the actor's partition ${number} is silent.`
    : `The actor's partition ${number} is stopped: ${stopped}`;
}

/** An actor that has been passivated: its past is in the log, and nothing else is left of it. */
async function idleFields(queries: AdminQueries, names: ActorName, newest: RecordedEvent) {
  const partitions = await queries.partitions();
  const info = partitions.find(({ partition }) => partition === newest.partition);
  return {
    ...names,
    partition: newest.partition,
    owner: info?.owner ?? null,
    epoch: info?.epoch ?? newest.epoch,
    state: "idle",
    window: null,
  };
}

function actorFields(actor: ActorView) {
  const { customer, content, partition, owner, epoch, state, window } = actor;
  return { customer, content, partition, owner, epoch, state, window: window ?? null };
}
