/** The public application: ingest, queries, health and their documentation. */
import { swagger } from "@elysiajs/swagger";
import type { AnyElysia } from "elysia";
import packageJson from "../../package.json" with { type: "json" };
import type { Readiness, StatsQueries } from "../actors/readPorts.ts";
import type { Log } from "../log.ts";
import { healthController } from "./health.ts";
import type { IngestHandlers } from "./ingest.ts";
import { ingestController } from "./ingestController.ts";
import { ingestSchemas } from "./ingestDocs.ts";
import { problemSchema } from "./openApi.ts";
import { queryController } from "./queries.ts";
import { createRootApp } from "./rootApp.ts";

interface PublicAppDependencies {
  readonly log: Log;
  readonly readiness: Readiness;
  /** Rejects when the process is not alive, though this thread is. */
  readonly alive?: () => Promise<void>;
  readonly ingest: IngestHandlers;
  readonly queries: StatsQueries;
  readonly windowMs: number;
}

/** Composes the application; `serveHttp` puts it on a port. */
export function createPublicApp(dependencies: PublicAppDependencies): AnyElysia {
  const { log, readiness, alive, ingest } = dependencies;
  const app = createRootApp("public", log);
  app.use(documentation());
  app.use(healthController(readiness, { alive }));
  app.use(ingestController(ingest));
  return app.use(queryController(dependencies));
}

/** `/swagger/json` is complete by itself; the page at `/swagger` loads its viewer from a CDN. */
function documentation() {
  return swagger({
    path: "/swagger",
    provider: "swagger-ui",
    documentation: {
      info: {
        title: "Payload Stats",
        version: packageJson.version,
        description:
          "Counts what video devices downloaded from the CDN and from peers, and how many " +
          "sessions began, per customer, content and window. This page loads its viewer from " +
          "a CDN; the document itself is /swagger/json.",
      },
      tags: [
        { name: "ingest", description: "Devices send payloads." },
        { name: "queries", description: "Rows of sealed windows." },
        { name: "health", description: "For whatever supervises the process." },
      ],
      components: { schemas: { ...ingestSchemas, Problem: problemSchema } },
    },
  });
}
