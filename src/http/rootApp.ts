/** What every application on a port of its own begins with. */
import { type AnyElysia, Elysia } from "elysia";
import type { Log } from "../log.ts";
import { problemHandling } from "./errorHandler.ts";

/** An application without routes, whose failures are problem details. */
export function createRootApp(name: string, log: Log): AnyElysia {
  const app: AnyElysia = new Elysia({
    name,
    // The runtime takes `..` out of a path, also where it is the name of a content: /stats/K/%2E%2E
    // arrives as /stats/, which must not be answered like /stats.
    strictPath: true,
    // Elysia otherwise looks for the path behind the eleventh character of the URL, and finds
    // none behind short host names such as `http://app/`.
    handler: { standardHostname: false },
  });
  return app.use(problemHandling(log, () => app.routes));
}
