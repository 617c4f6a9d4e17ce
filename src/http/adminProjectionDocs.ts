/** How the routes of projections are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import {
  type ApiParameter,
  answer,
  integer,
  listed,
  nameParameters,
  nullable,
  nullInExample,
  pathParameter,
  queryParameter,
  record,
  text,
  time,
} from "./docParts.ts";
import { adminRefusals } from "./openApi.ts";

export const projectionCommands = [
  "rebuild",
  "verify",
  "accept-diff",
  "cancel",
  "pause",
  "resume",
] as const;

export type ProjectionCommand = (typeof projectionCommands)[number];

const kind = {
  type: "string" as const,
  enum: ["rebuild", "upgrade", "verify"],
  description:
    "`rebuild`: the same version anew. `upgrade`: a newer version. `verify`: to compare only.",
};

const limits = {
  ...record({
    from: nullInExample(time("Rows that begin at or after it.")),
    to: nullInExample(time("Rows that begin before it.")),
    customer: nullInExample(text("Of this customer.")),
    content: nullInExample(text("Of this content.")),
  }),
  description: "What a verification is limited to.",
};

const counts = {
  comparedAt: time("When the two tables were compared.", "2026-01-31T10:12:00.000Z"),
  events: integer("Events that both tables held then.", 1200),
  equal: integer("Rows that are equal.", 1199),
  missing: integer("Rows that the events give, and the live table lacks.", 0),
  extra: integer("Rows of the live table that no event gives.", 0),
  different: integer("Rows with the same key and other values.", 1),
};

const rowSchema = nullable({
  type: "object" as const,
  description: "The row, every value as text; null where the table has no such row.",
  additionalProperties: { type: "string" as const, nullable: true },
});

const row = { time: "2026-01-31T10:10:00+00:00", customer: "Customer1", content: "channel1" };

const examples = {
  type: "object" as const,
  description: "Up to 20 examples of each: `missing`, `extra`, `different`.",
  additionalProperties: listed({ live: rowSchema, rebuilt: rowSchema }),
  example: {
    missing: [],
    extra: [],
    different: [{ live: { ...row, cdn: "7", p2p: "0" }, rebuilt: { ...row, cdn: "1", p2p: "0" } }],
  },
};

function buildSchemas(report: Parameters<typeof record>[0]) {
  return {
    kind,
    version: integer("The version that is built.", 1),
    startedAt: time("When it was asked for.", "2026-01-31T10:11:00.000Z"),
    events: integer("Events in the log.", 1200),
    eventsPerSecond: nullable(integer("Over the time that was worked.", 100_000)),
    limits,
    report: nullable({ ...record(report), description: "How the tables differ." }),
  };
}

function projectionSchemas(report: Parameters<typeof record>[0]) {
  const rebuild = record({
    ...buildSchemas(report),
    phase: {
      type: "string" as const,
      enum: [
        "starting",
        "applying",
        "indexing",
        "comparing",
        "waiting",
        "swapping",
        "paused",
        "cancelling",
      ],
      example: "waiting",
      description: "`waiting`: the tables differ, and that was not accepted yet.",
    },
    applied: integer("Events applied to the new table.", 1200),
    percent: { type: "number" as const, description: "Of the events.", example: 100 },
    secondsLeft: nullable(integer("Until all events are applied.", 0)),
    acceptsDifferences: {
      type: "boolean" as const,
      description: "Differences were accepted.",
      example: false,
    },
    problem: nullInExample(text("What keeps it from going on.")),
  });
  const lastRebuild = record({
    ...buildSchemas(report),
    outcome: {
      type: "string" as const,
      enum: ["swapped", "verified", "cancelled", "superseded"],
      description: "What became of it.",
    },
    endedAt: time("When it ended."),
  });
  return {
    name: text("Its name, which is its table's too.", "stats"),
    version: integer("The version of its table.", 1),
    state: {
      type: "string" as const,
      enum: ["running", "paused", "rebuilding"],
      example: "rebuilding",
      description: "What it is doing.",
    },
    applied: integer("Events in its table, over all partitions.", 1200),
    events: integer("Events in the log, over all partitions.", 1200),
    sealedThrough: nullable(time("All windows that end at or before it are in its table.")),
    rebuild: nullable({ ...rebuild, description: "The build that runs, if any." }),
    lastRebuild: nullInExample({
      ...lastRebuild,
      description: "The last build that ended, if any.",
    }),
  };
}

export const projectionsDetail: DocumentDecoration = {
  tags: ["projections"],
  summary: "All projections, with how far they are",
  description: "Reports without their examples: those stand in the answer for one projection.",
  responses: {
    200: answer("The projections, by name.", { projections: listed(projectionSchemas(counts)) }),
    ...adminRefusals(),
  },
};

const namePath = pathParameter("name", text("The name of the projection.", "stats"));

export const projectionDetail: DocumentDecoration = {
  tags: ["projections"],
  summary: "One projection, with the whole report of its build",
  parameters: [namePath],
  responses: {
    200: answer("The projection.", projectionSchemas({ ...counts, examples })),
    ...adminRefusals("not-found"),
  },
};

const part = queryParameter("part", {
  type: "string",
  enum: ["all", "rebuild"],
  default: "all",
  description: "`all`: the projection with its build. `rebuild`: the build alone.",
});

interface CommandDocs {
  readonly summary: string;
  readonly description: string;
  readonly parameters: readonly ApiParameter[];
}

const commands: Readonly<Record<ProjectionCommand, CommandDocs>> = {
  rebuild: {
    summary: "Rebuild a projection from the event log",
    description:
      "Into a new table, which is compared with the old one once it has caught up, and takes its " +
      "place when they are equal. When they differ, it waits for accept-diff or cancel. Readers " +
      "see the old table until then. 409 while a build of it runs.",
    parameters: [
      queryParameter("acceptDiff", {
        type: "string",
        enum: ["true", "false"],
        default: "false",
        description: "Swaps also when the tables differ; the report says how they did.",
      }),
    ],
  },
  verify: {
    summary: "Compare a projection with the event log",
    description:
      "Like a rebuild that ends with its report, and changes nothing. `from` and `to` are about " +
      "where a row begins: its window, or its hour. 409 while a build of it runs.",
    parameters: [
      queryParameter("from", time("Rows that begin at or after it.")),
      queryParameter("to", time("Rows that begin before it.", "2026-01-31T11:10:00.000Z")),
      ...nameParameters,
    ],
  },
  "accept-diff": {
    summary: "Let a rebuild take the place of a table that differs",
    description: "Before or after the comparison. 409 when no rebuild runs.",
    parameters: [],
  },
  cancel: {
    summary: "End a build and drop its table",
    description: "409 when none runs, and for the build of a newer version.",
    parameters: [],
  },
  pause: {
    summary: "Pause a projection, or its build",
    description: "The table stays as it is, for readers.",
    parameters: [part],
  },
  resume: {
    summary: "Resume a projection, or its build",
    description: "It goes on where it was paused.",
    parameters: [part],
  },
};

export function commandDetail(command: ProjectionCommand): DocumentDecoration {
  const { summary, description, parameters } = commands[command];
  return {
    tags: ["projections"],
    summary,
    description,
    parameters: [namePath, ...parameters],
    responses: {
      202: answer("Accepted; /admin/projections shows what becomes of it.", {
        projection: text("The projection.", "stats"),
        command: text("The command.", command),
      }),
      ...adminRefusals("not-found", "conflict"),
    },
  };
}
