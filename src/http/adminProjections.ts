/** Projections: how far they are, and commands to them. */
import { Elysia } from "elysia";
import type { AdminQueries, ProjectionControl, ProjectionInfo } from "../actors/readPorts.ts";
import type { Log } from "../log.ts";
import { commandDetail, projectionsDetail } from "./adminProjectionDocs.ts";
import { askPort } from "./portCall.ts";
import { Problem } from "./problem.ts";
import { pathNames, QueryReader } from "./queryParams.ts";

export interface AdminProjectionsDependencies {
  readonly queries: AdminQueries;
  readonly projections: ProjectionControl;
  readonly log: Log;
}

export type ProjectionCommand = keyof ProjectionControl;

const conflicts: Readonly<Record<ProjectionCommand, string>> = {
  rebuild: "A rebuild of this projection is running.",
  pause: "The projection cannot be paused now.",
  resume: "The projection cannot be resumed now.",
};

/** The plugin with `GET /admin/projections` and the three commands. */
export function adminProjectionsController(dependencies: AdminProjectionsDependencies) {
  const { queries, log } = dependencies;
  const command =
    (command: ProjectionCommand) =>
    ({ request }: { readonly request: Request }) =>
      runCommand(dependencies, command, request.url);
  const options = (command: ProjectionCommand) => ({
    parse: "none" as const,
    detail: commandDetail(command),
  });
  return new Elysia({ name: "admin-projections" })
    .get(
      "/admin/projections",
      async ({ request }) => {
        new QueryReader(request.url, []).finish();
        const found = await askPort(log, () => queries.projections());
        return { projections: found.map(projectionFields) };
      },
      { detail: projectionsDetail },
    )
    .post("/admin/projections/:name/rebuild", command("rebuild"), options("rebuild"))
    .post("/admin/projections/:name/pause", command("pause"), options("pause"))
    .post("/admin/projections/:name/resume", command("resume"), options("resume"));
}

async function runCommand(
  { projections, log }: AdminProjectionsDependencies,
  command: ProjectionCommand,
  url: string,
): Promise<Response> {
  const [projection = ""] = pathNames(url, 2);
  new QueryReader(url, []).finish();
  const outcome = await askPort(log, () => projections[command](projection));
  switch (outcome) {
    case "unknown":
      throw new Problem("not-found", "No projection has this name.");
    case "conflict":
      throw new Problem("conflict", conflicts[command]);
    case "accepted":
      log.info("a command to a projection was accepted", { projection, command });
      return Response.json({ projection, command }, { status: 202 });
  }
}

function projectionFields(info: ProjectionInfo) {
  return {
    name: info.name,
    version: info.version,
    state: info.state,
    applied: info.applied,
    events: info.events,
    sealedThrough: info.sealedThrough ?? null,
    rebuild: info.rebuild ?? null,
  };
}
