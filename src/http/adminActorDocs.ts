/** How the routes of actors are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import { actorSorts, actorStates } from "../actors/readPorts.ts";
import { eventSchemas } from "./adminEventDocs.ts";
import {
  answer,
  cursorParameter,
  cursorSchema,
  exampleOf,
  integer,
  limitParameter,
  listed,
  nameParameters,
  namePathParameters,
  nameSchemas,
  nullable,
  nullInExample,
  queryParameter,
  record,
  requiredNameParameters,
  text,
  time,
} from "./docParts.ts";
import { basisSchema, totalSchemas, windowSchemas } from "./historySchemas.ts";
import { adminPageDefault, adminPageMax, recentEvents } from "./limits.ts";
import { adminRefusals } from "./openApi.ts";

const actorSchemas = {
  ...nameSchemas,
  partition: integer("The partition of this customer and content, from 0.", 7),
  owner: nullable(text("Id of the worker that owns the partition.", "host1-4711-0a1b2c3d")),
  epoch: integer("Grows at every change of the partition's owner.", 3),
  state: {
    type: "string" as const,
    enum: [...actorStates],
    example: "open",
    description: "State value of the actor's machine. A passivated actor is idle.",
  },
  window: nullable({
    ...record(windowSchemas),
    description: "The open or sealing window so far; null while the actor is idle.",
  }),
};

export const actorsDetail: DocumentDecoration = {
  tags: ["actors"],
  summary: "Living window actors",
  description:
    "Asks the owners of all partitions, in whatever process they run. Partitions whose owner " +
    "does not answer in time are listed, and their actors are missing. By name, pages put " +
    "together hold every actor once; by a number they are as good as it stays while one reads " +
    "them. While partitions are silent a page may lack actors, or seem to be the last: ask for " +
    "it again.",
  parameters: [
    ...nameParameters,
    queryParameter("state", { type: "string", enum: [...actorStates] }),
    queryParameter("sort", {
      type: "string",
      enum: [...actorSorts],
      default: "name",
      description: "Numbers with the largest first, then by customer and content.",
    }),
    limitParameter("Actors a page", { maximum: adminPageMax, default: adminPageDefault }),
    cursorParameter("filters and order"),
  ],
  responses: {
    200: answer("A page of actors.", {
      actors: listed(actorSchemas),
      cursor: cursorSchema,
      total: integer("How many match, over all pages.", 1),
      silentPartitions: {
        type: "array",
        items: integer("A partition."),
        description: "Partitions whose owner did not answer in time.",
        example: [],
      },
    }),
    ...adminRefusals("overloaded"),
  },
};

const presentActor = record({ ...actorSchemas, events: listed(eventSchemas, "Newest first.") });

const pastActor = record({
  ...nameSchemas,
  partition: actorSchemas.partition,
  at: time("The stream time that is shown.", "2026-01-31T10:12:00.000Z"),
  position: nullInExample(integer("The last event, where a position was asked for.")),
  state: {
    type: "string" as const,
    enum: ["idle", "open", "sealing", "unknown"],
    example: "open",
  },
  window: actorSchemas.window,
  totals: record(totalSchemas),
  events: listed(eventSchemas, "Until then, newest first."),
  basis: nullable(basisSchema),
});

const atParameter = queryParameter(
  "at",
  text(
    "A time (ISO 8601 or epoch ms): as of that stream time. A number below 100000000000: as " +
      "of that position in the events of the actor's partition.",
    "2026-01-31T10:12:00Z",
  ),
);

export const actorDetail: DocumentDecoration = {
  tags: ["actors"],
  summary: "One window actor, with its open window and its last events",
  description:
    "The state as of now: the owner first reads all that was stored before the question, for " +
    "up to " +
    `a quarter of a second. And the last ${recentEvents} events, newest first. 404 when no ` +
    "payload of it is known; 503 when the owner of its partition does not answer. With `at`, the " +
    "actor as it was then: the fold of its events until then (`totals`) and, where the stream is " +
    "retained, the window that was open. Then there is no owner and no epoch, and the state is " +
    "`unknown` where the payloads of its window are gone. A moment in the future is refused, and " +
    "the newest one is named. No path can hold the names `.` and `..`: ask `/admin/actor` " +
    "for them.",
  parameters: [...namePathParameters, atParameter],
  responses: {
    200: {
      description: "The actor.",
      content: {
        "application/json": {
          schema: { oneOf: [presentActor, pastActor] },
          examples: {
            now: { value: exampleOf(presentActor) },
            past: { value: exampleOf(pastActor) },
          },
        },
      },
    },
    ...adminRefusals("not-found"),
  },
};

export const namedActorDetail: DocumentDecoration = {
  ...actorDetail,
  summary: "The same by a query, for any names",
  parameters: [...requiredNameParameters, atParameter],
};
