/** What every application on a port of its own begins with. */
import { type AnyElysia, Elysia } from "elysia";
import type { Log } from "../log.ts";
import { noRoute, Problem, problemResponse, unexpectedProblem } from "./problem.ts";

interface Route {
  readonly method: string;
  readonly path: string;
}

/**
 * An application without routes, whose failures are problem details, also those of the plugins that
 * it uses. Elysia's own answers are never used, because they repeat what was sent.
 */
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
  return app.onError(({ code, error, request }) => {
    if (error instanceof Problem) return problemResponse(error);
    if (code === "NOT_FOUND") return problemResponse(missingProblem(app.routes, request));
    return problemResponse(unexpectedProblem(log, error));
  });
}

/** 405 with `Allow` where another method would be answered, else 404. */
function missingProblem(routes: readonly Route[], request: Request): Problem {
  const path = new URL(request.url).pathname;
  const allowed = new Set(
    routes.filter((route) => matches(route.path, path)).map((route) => route.method),
  );
  if (allowed.size === 0) return new Problem("not-found", noRoute);
  if (allowed.has("GET")) allowed.add("HEAD");
  const allow = [...allowed].sort().join(", ");
  return new Problem("method-not-allowed", `Allowed here: ${allow}.`, { headers: { allow } });
}

/** As the router sees it: a name is not empty. */
function matches(pattern: string, path: string): boolean {
  const expected = pattern.split("/");
  const found = path.split("/");
  return (
    expected.length === found.length &&
    expected.every((part, i) => (part.startsWith(":") ? found[i] !== "" : part === found[i]))
  );
}
