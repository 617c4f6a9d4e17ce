/**
 * Turns whatever goes wrong in an Elysia application into problem details. Elysia's own answers
 * are never used, because they repeat what was sent.
 */
import { Elysia } from "elysia";
import type { Log } from "../log.ts";
import { noRoute, Problem, problemResponse } from "./problem.ts";

interface Route {
  readonly method: string;
  readonly path: string;
}

/**
 * The plugin to use first in every application.
 * @param routes the routes of the whole application, to tell 405 from 404.
 */
export function problemHandling(log: Log, routes: () => readonly Route[]) {
  return new Elysia({ name: "problem-handling" }).onError(
    { as: "global" },
    ({ code, error, request }) => {
      if (error instanceof Problem) return problemResponse(error);
      if (code === "NOT_FOUND") return problemResponse(missingProblem(routes(), request));
      return problemResponse(unexpectedProblem(log, error));
    },
  );
}

/** Logs what nobody expected, and tells the client nothing about it. */
export function unexpectedProblem(log: Log, error: unknown): Problem {
  const stack = error instanceof Error ? error.stack : undefined;
  log.error("a request failed unexpectedly", { error, stack });
  return new Problem("internal", "The request failed; the log of the server says why.");
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
