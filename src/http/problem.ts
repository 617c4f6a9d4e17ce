/**
 * RFC 9457 problem details: every refusal and every failure of the HTTP side is one of these.
 * A problem never carries what was sent: details are fixed sentences, and pointers name fields of
 * ours. Controllers return or throw a `Problem`; `problemResponse` alone turns it into a response.
 */
import type { FieldProblem } from "../domain/payload.ts";
import type { Log } from "../log.ts";

const typePrefix = "urn:payload-stats:problem:";
export const problemContentType = "application/problem+json";

/** What a listener says of a path that it does not serve. */
export const noRoute = "No route has this path.";

/** The kinds of problem. Clients match on the type URI made of their names, so these stay. */
export const problemKinds = {
  "not-json": { status: 400, title: "The body is not JSON" },
  "malformed-body": { status: 400, title: "The body cannot be decoded" },
  "invalid-request": { status: 400, title: "The request is not valid" },
  "invalid-query": { status: 422, title: "The query is not valid" },
  "invalid-idempotency-key": { status: 400, title: "The Idempotency-Key is not valid" },
  unauthorized: { status: 401, title: "The request is not authorized" },
  forbidden: { status: 403, title: "The request is not allowed from here" },
  "not-found": { status: 404, title: "There is nothing here" },
  "method-not-allowed": { status: 405, title: "The method is not allowed here" },
  timeout: { status: 408, title: "The body did not arrive in time" },
  conflict: { status: 409, title: "The request conflicts with the present state" },
  "too-large": { status: 413, title: "The body is too large" },
  "unsupported-type": { status: 415, title: "The type of the body is not supported" },
  "invalid-payload": { status: 422, title: "The payload is not valid" },
  internal: { status: 500, title: "Internal error" },
  overloaded: { status: 503, title: "Too much is in flight" },
  unavailable: { status: 503, title: "The service is not available" },
} as const;

export type ProblemKind = keyof typeof problemKinds;

interface ProblemOptions {
  readonly errors?: readonly FieldProblem[];
  /** Header names in lower case, for example `retry-after`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** One refusal or failure. Returned where it is an expected outcome, thrown by controllers. */
export class Problem extends Error {
  readonly errors: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;

  /** @param detail a sentence for people, which echoes nothing of the request. */
  constructor(
    readonly kind: ProblemKind,
    readonly detail: string,
    options: ProblemOptions = {},
  ) {
    super(detail, { cause: options.cause });
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}

/** Logs what nobody expected, and tells the client nothing about it. */
export function unexpectedProblem(log: Log, error: unknown): Problem {
  const stack = error instanceof Error ? error.stack : undefined;
  log.error("a request failed unexpectedly", { error, stack });
  return new Problem("internal", "The request failed; the log of the server says why.");
}

/** The stable URI of a kind of problem. */
export function problemType(kind: ProblemKind): string {
  return `${typePrefix}${kind}`;
}

/** The response of a problem. */
export function problemResponse(problem: Problem): Response {
  const { kind, detail, errors } = problem;
  const { status, title } = problemKinds[kind];
  return new Response(JSON.stringify({ type: problemType(kind), title, status, detail, errors }), {
    status,
    headers: { ...problem.headers, "content-type": problemContentType },
  });
}
