/** How the routes of projections are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import type { ProjectionControl } from "../actors/readPorts.ts";
import { answer, integer, listed, nullable, record, text, time } from "./docParts.ts";
import { problemResponses } from "./openApi.ts";
import { parameterProblemKind } from "./queryParams.ts";

const rebuildSchemas = {
  startedAt: time("When the rebuild was asked for."),
  applied: integer("Events applied to the new table.", 500),
  events: integer("Events in the log.", 1200),
};

const projectionSchemas = {
  name: text("Its name, which is its table's too.", "stats"),
  version: integer("Its version.", 1),
  state: {
    type: "string" as const,
    enum: ["running", "paused", "rebuilding"],
    description: "What it is doing.",
  },
  applied: integer("Events in its table, over all partitions.", 1200),
  events: integer("Events in the log, over all partitions.", 1200),
  sealedThrough: nullable(time("All windows that end at or before it are in its table.")),
  rebuild: nullable({ ...record(rebuildSchemas), description: "The rebuild that runs, if any." }),
};

const refusals = [
  "invalid-request",
  "forbidden",
  "unauthorized",
  parameterProblemKind,
  "internal",
  "unavailable",
] as const;

export const projectionsDetail: DocumentDecoration = {
  tags: ["projections"],
  summary: "All projections, with how far they are",
  responses: {
    200: answer(
      "The projections, by name.",
      { projections: listed(projectionSchemas) },
      {
        projections: [
          {
            name: "stats",
            version: 1,
            state: "running",
            applied: 1200,
            events: 1200,
            sealedThrough: "2026-01-31T10:10:00.000Z",
            rebuild: null,
          },
        ],
      },
    ),
    ...problemResponses(...refusals),
  },
};

const commands = {
  rebuild: {
    summary: "Rebuild a projection from the event log",
    description:
      "Into a new table, which takes the place of the old one once it has caught up. Readers " +
      "see the old table until then. 409 while a rebuild of it runs.",
  },
  pause: { summary: "Pause a projection", description: "Its table stays as it is, for readers." },
  resume: { summary: "Resume a projection", description: "It goes on where it was paused." },
} as const;

export function commandDetail(command: keyof ProjectionControl): DocumentDecoration {
  const name = text("The name of the projection.", "stats");
  return {
    tags: ["projections"],
    ...commands[command],
    parameters: [{ name: "name", in: "path", required: true, schema: name }],
    responses: {
      202: answer(
        "Accepted; /admin/projections shows what becomes of it.",
        { projection: name, command: text("The command.", command) },
        { projection: "stats", command },
      ),
      ...problemResponses(...refusals, "not-found", "conflict"),
    },
  };
}
