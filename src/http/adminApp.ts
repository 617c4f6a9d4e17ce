/** The admin application, on its own listener: what the parts of the system do, and commands. */
import { swagger } from "@elysiajs/swagger";
import type { AnyElysia } from "elysia";
import packageJson from "../../package.json" with { type: "json" };
import type { History } from "../actors/historyPorts.ts";
import type { LedgerReader, PartitionControl, QuarantineControl } from "../actors/operatorPorts.ts";
import type { ProjectionControl } from "../actors/projectionPorts.ts";
import type { ActorDirectory, AdminQueries, Readiness } from "../actors/readPorts.ts";
import type { Log } from "../log.ts";
import { adminActorsController } from "./adminActors.ts";
import { adminEventsController } from "./adminEvents.ts";
import { createAdminGuard } from "./adminGuard.ts";
import { adminHistoryController } from "./adminHistory.ts";
import { adminLedgerController } from "./adminLedger.ts";
import { metricsController } from "./adminMetrics.ts";
import { adminProjectionsController } from "./adminProjections.ts";
import { adminQuarantineController } from "./adminQuarantine.ts";
import { dashboardController } from "./dashboard.ts";
import { healthController } from "./health.ts";
import { problemResponses, problemSchema } from "./openApi.ts";
import { problemResponse } from "./problem.ts";
import { createRootApp } from "./rootApp.ts";

interface AdminDependencies {
  readonly log: Log;
  readonly readiness: Readiness;
  /** Undefined: requests need no token, and are served under loopback names only. */
  readonly adminToken: string | undefined;
  readonly partitions: number;
  readonly actors: ActorDirectory;
  readonly queries: AdminQueries;
  readonly projections: ProjectionControl;
  readonly quarantine: QuarantineControl;
  readonly partitionControl: PartitionControl;
  readonly ledger: LedgerReader;
  readonly history: History;
  readonly windowMs: number;
  /** The metrics of this process in the Prometheus text format. */
  readonly metrics: () => Promise<string>;
}

/** Composes the application; `serveHttp` puts it on a port. */
export function createAdminApp(dependencies: AdminDependencies): AnyElysia {
  const { log, readiness, adminToken, metrics } = dependencies;
  const guard = createAdminGuard(adminToken);
  const app = createRootApp("admin", log);
  app.onRequest(({ request }) => {
    const refusal = guard(request);
    return refusal === undefined ? undefined : problemResponse(refusal);
  });
  app.use(documentation(adminToken !== undefined));
  const refusals = {
    livez: problemResponses("forbidden"),
    readyz: problemResponses("forbidden", "unauthorized"),
  };
  app.use(healthController(readiness, { refusals }));
  app.use(dashboardController());
  app.use(adminActorsController(dependencies));
  app.use(adminEventsController(dependencies));
  app.use(adminHistoryController(dependencies));
  app.use(adminQuarantineController(dependencies));
  app.use(adminLedgerController(dependencies));
  app.use(adminProjectionsController(dependencies));
  return app.use(metricsController(log, metrics));
}

/** `/swagger/json` is complete by itself; the page at `/swagger` loads its viewer from a CDN. */
function documentation(needsToken: boolean) {
  return swagger({
    path: "/swagger",
    provider: "swagger-ui",
    documentation: {
      info: {
        title: "Payload Stats: admin",
        version: packageJson.version,
        description:
          "Actors, partitions, events, projections and metrics. With ADMIN_TOKEN set, every " +
          "route but /livez and the page at /admin needs `Authorization: Bearer <token>`. " +
          "Without it, only loopback names are served. This page loads its viewer from a CDN; " +
          "the document itself is /swagger/json.",
      },
      tags: [
        { name: "actors", description: "One actor for each customer and content." },
        {
          name: "history",
          description: "Why a number is what it is, and what became of payloads.",
        },
        { name: "event log", description: "Partitions, their events, and what was set aside." },
        { name: "projections", description: "The tables that are made from the events." },
        { name: "metrics", description: "For a monitoring system." },
        { name: "health", description: "For whatever supervises the process." },
      ],
      components: {
        schemas: { Problem: problemSchema },
        securitySchemes: { token: { type: "http", scheme: "bearer" } },
      },
      ...(needsToken && { security: [{ token: [] }] }),
    },
  });
}
