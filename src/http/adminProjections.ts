/** Projections: how far they are, and commands to them. */
import { Elysia } from "elysia";
import type {
  ComparisonReport,
  EndedRebuild,
  ProjectionCommandOutcome,
  ProjectionControl,
  ProjectionInfo,
  ProjectionPart,
  RebuildInfo,
  RebuildLimits,
} from "../actors/projectionPorts.ts";
import type { AdminQueries } from "../actors/readPorts.ts";
import type { Log } from "../log.ts";
import {
  commandDetail,
  type ProjectionCommand,
  projectionCommands,
  projectionDetail,
  projectionsDetail,
} from "./adminProjectionDocs.ts";
import { askPort } from "./portCall.ts";
import { Problem } from "./problem.ts";
import { pathNames, QueryReader } from "./queryParams.ts";

interface AdminProjectionsDependencies {
  readonly queries: AdminQueries;
  readonly projections: ProjectionControl;
  readonly log: Log;
}

/** Reads a command's own query parameters, and gives the command. */
type CommandReader = (
  projections: ProjectionControl,
  reader: QueryReader,
) => (name: string) => Promise<ProjectionCommandOutcome>;

interface CommandRoute {
  readonly read: CommandReader;
  readonly conflict: string;
}

const buildRuns = "A build of this projection is running.";

const commands: Readonly<Record<ProjectionCommand, CommandRoute>> = {
  rebuild: {
    read: (projections, reader) => {
      const acceptDifferences = reader.oneOf("acceptDiff", ["true", "false"]) === "true";
      return (name) => projections.rebuild(name, { acceptDifferences });
    },
    conflict: buildRuns,
  },
  verify: {
    read: (projections, reader) => {
      const limits = readLimits(reader);
      return (name) => projections.rebuild(name, { verify: true, limits });
    },
    conflict: buildRuns,
  },
  "accept-diff": {
    read: (projections) => (name) => projections.acceptDifferences(name),
    conflict: "No rebuild of this projection is running.",
  },
  cancel: {
    read: (projections) => (name) => projections.cancel(name),
    conflict: "No build of this projection is running that could be cancelled.",
  },
  pause: {
    read: (projections, reader) => {
      const part = readPart(reader);
      return (name) => projections.pause(name, part);
    },
    conflict: "No build of this projection is running.",
  },
  resume: {
    read: (projections, reader) => {
      const part = readPart(reader);
      return (name) => projections.resume(name, part);
    },
    conflict: "No build of this projection is running.",
  },
};

/** The plugin with `GET /admin/projections`, one projection of it, and the commands. */
export function adminProjectionsController(dependencies: AdminProjectionsDependencies) {
  const { queries, log } = dependencies;
  const app = new Elysia({ name: "admin-projections" })
    .get(
      "/admin/projections",
      async ({ request }) => {
        new QueryReader(request.url).finish();
        const found = await askPort(log, () => queries.projections());
        return { projections: found.map((info) => projectionFields(info, countsOf)) };
      },
      { detail: projectionsDetail },
    )
    .get(
      "/admin/projections/:name",
      async ({ request }) => {
        const [name = ""] = pathNames(request.url, 1);
        new QueryReader(request.url).finish();
        const found = await askPort(log, () => queries.projections());
        const info = found.find((candidate) => candidate.name === name);
        if (info === undefined) throw new Problem("not-found", "No projection has this name.");
        return projectionFields(info, (report) => report);
      },
      { detail: projectionDetail },
    );
  for (const command of projectionCommands) {
    app.post(
      `/admin/projections/:name/${command}`,
      ({ request }) => runCommand(dependencies, command, request.url),
      { parse: "none", detail: commandDetail(command) },
    );
  }
  return app;
}

async function runCommand(
  { projections, log }: AdminProjectionsDependencies,
  command: ProjectionCommand,
  url: string,
): Promise<Response> {
  const [projection = ""] = pathNames(url, 2);
  const { read, conflict } = commands[command];
  const reader = new QueryReader(url);
  const run = read(projections, reader);
  reader.finish();
  const outcome = await askPort(log, () => run(projection));
  switch (outcome) {
    case "unknown":
      throw new Problem("not-found", "No projection has this name.");
    case "conflict":
      throw new Problem("conflict", conflict);
    case "accepted":
      log.info("a command to a projection was accepted", { projection, command });
      return Response.json({ projection, command }, { status: 202 });
  }
}

function readLimits(reader: QueryReader): RebuildLimits {
  const limits = {
    fromMs: reader.time("from"),
    toMs: reader.time("to"),
    customer: reader.name("customer"),
    content: reader.name("content"),
  };
  if (limits.fromMs !== undefined && limits.toMs !== undefined && limits.fromMs >= limits.toMs) {
    reader.refuse("to", "must be after from");
  }
  return limits;
}

function readPart(reader: QueryReader): ProjectionPart {
  return reader.oneOf("part", ["all", "rebuild"]) ?? "all";
}

/** The list leaves out the examples, since whoever watches a rebuild asks for it all the time. */
function countsOf({ examples: _, ...counts }: ComparisonReport) {
  return counts;
}

/** @param shown what is shown of a report. */
function projectionFields(info: ProjectionInfo, shown: (report: ComparisonReport) => object) {
  const { rebuild, lastRebuild } = info;
  const buildFields = ({ limits, report }: RebuildInfo | EndedRebuild) => {
    return { limits: limitFields(limits), report: report && shown(report) };
  };
  const percent = rebuild && percentOf(rebuild.applied, rebuild.events);
  return {
    ...info,
    rebuild: rebuild && { ...rebuild, percent, ...buildFields(rebuild) },
    lastRebuild: lastRebuild && { ...lastRebuild, ...buildFields(lastRebuild) },
  };
}

/** 100 means that all events are applied: it is not rounded up to. */
function percentOf(applied: number, events: number): number {
  return events === 0 ? 100 : Math.min(Math.floor((applied * 1_000) / events) / 10, 100);
}

function limitFields({ fromMs, toMs, customer, content }: RebuildLimits) {
  return {
    from: fromMs === undefined ? null : new Date(fromMs).toISOString(),
    to: toMs === undefined ? null : new Date(toMs).toISOString(),
    customer: customer ?? null,
    content: content ?? null,
  };
}
