/** How the routes of actors are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import { eventExample, eventSchemas } from "./adminEventDocs.ts";
import { actorDepthMax, actorsDefault, actorsMax, recentEvents } from "./adminRules.ts";
import {
  answer,
  integer,
  listed,
  namePathParameter,
  nullable,
  queryParameter,
  record,
  text,
  time,
} from "./docParts.ts";
import { problemResponses } from "./openApi.ts";
import { parameterProblemKind } from "./queryParams.ts";

const windowSchemas = {
  windowStart: time("Start of the window, which belongs to it."),
  windowEnd: time("End of the window, which does not belong to it."),
  cdn: text("Bytes from the CDN so far, as decimal digits.", "123456789"),
  p2p: text("Bytes from peers so far, as decimal digits.", "987654321"),
  sessions: integer("Sessions begun so far.", 42),
  payloads: integer("Payloads counted so far.", 420),
  duplicates: integer("Repeated payloads that were not counted.", 0),
  firstSequence: integer("Sequence of the first message that holds one of them.", 1042),
  lastSequence: integer("Sequence of the last message that holds one of them.", 1977),
};

const actorSchemas = {
  customer: text("The broadcaster.", "Customer1"),
  content: text("The channel or video.", "channel1"),
  partition: integer("The partition of this customer and content, from 0.", 7),
  owner: nullable(text("Id of the worker that owns the partition.", "host1-4711-0a1b2c3d")),
  epoch: integer("Grows at every change of the partition's owner.", 3),
  state: {
    type: "string" as const,
    enum: ["idle", "open", "sealing"],
    description: "State value of the actor's machine. A passivated actor is idle.",
  },
  window: nullable({
    ...record(windowSchemas),
    description: "The open or sealing window so far; null while the actor is idle.",
  }),
};

const actorExample = {
  customer: "Customer1",
  content: "channel1",
  partition: 7,
  owner: "host1-4711-0a1b2c3d",
  epoch: 3,
  state: "open",
  window: {
    windowStart: "2026-01-31T10:10:00.000Z",
    windowEnd: "2026-01-31T10:15:00.000Z",
    cdn: "123456789",
    p2p: "987654321",
    sessions: 42,
    payloads: 420,
    duplicates: 0,
    firstSequence: 1042,
    lastSequence: 1977,
  },
};

export const actorsDetail: DocumentDecoration = {
  tags: ["actors"],
  summary: "Living window actors",
  description:
    "Asks the owners of all partitions, in whatever process they run. Partitions whose owner " +
    "does not answer in time are listed, and their actors are missing.",
  parameters: [
    queryParameter("customer", text("Exactly this customer.", "Customer1")),
    queryParameter("content", text("Exactly this content.", "channel1")),
    queryParameter("state", { type: "string", enum: ["idle", "open", "sealing"] }),
    queryParameter("sort", {
      type: "string",
      enum: ["name", "payloads", "bytes", "sessions"],
      default: "name",
      description: "Numbers with the largest first, then by customer and content.",
    }),
    queryParameter("limit", {
      ...integer("Actors a page at most."),
      minimum: 1,
      maximum: actorsMax,
      default: actorsDefault,
    }),
    queryParameter("offset", {
      ...integer(`Actors to skip. With limit, at most ${actorDepthMax}.`),
      minimum: 0,
      maximum: actorDepthMax - 1,
      default: 0,
    }),
  ],
  responses: {
    200: answer(
      "A page of actors.",
      {
        actors: listed(actorSchemas),
        total: integer("How many match, over all pages.", 1),
        silentPartitions: {
          type: "array",
          items: integer("A partition."),
          description: "Partitions whose owner did not answer in time.",
        },
      },
      { actors: [actorExample], total: 1, silentPartitions: [] },
    ),
    ...problemResponses(
      "invalid-request",
      "forbidden",
      "unauthorized",
      parameterProblemKind,
      "internal",
      "unavailable",
    ),
  },
};

export const actorDetail: DocumentDecoration = {
  tags: ["actors"],
  summary: "One window actor, with its open window and its last events",
  description:
    `The state as of now, and the last ${recentEvents} events, newest first. 404 when no ` +
    "payload of it is known; 503 when the owner of its partition does not answer.",
  parameters: [namePathParameter("customer"), namePathParameter("content")],
  responses: {
    200: answer(
      "The actor.",
      { ...actorSchemas, events: listed(eventSchemas, "Newest first.") },
      { ...actorExample, events: [eventExample] },
    ),
    ...problemResponses(
      "invalid-request",
      "forbidden",
      "unauthorized",
      "not-found",
      parameterProblemKind,
      "internal",
      "unavailable",
    ),
  },
};
