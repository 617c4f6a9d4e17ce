/** Parts of the OpenAPI document that controllers share. */
import type { DocumentDecoration } from "elysia";
import { type ProblemKind, problemContentType, problemKinds, problemType } from "./problem.ts";

export type ApiResponses = NonNullable<DocumentDecoration["responses"]>;
type ApiResponse = ApiResponses[string];

/** A JSON response, by an example and, where there is one, a schema of `components`. */
export function jsonResponse(description: string, example: unknown, schema?: string): ApiResponse {
  return {
    description,
    content: { "application/json": { ...(schema && { schema: reference(schema) }), example } },
  };
}

/** The responses for kinds of problem, with those of one status gathered under it. */
export function problemResponses(...kinds: readonly ProblemKind[]): ApiResponses {
  const responses: ApiResponses = {};
  for (const status of new Set(kinds.map((kind) => problemKinds[kind].status))) {
    const same = kinds.filter((kind) => problemKinds[kind].status === status);
    responses[status] = {
      description: same.map((kind) => problemKinds[kind].title).join("; or: "),
      content: {
        [problemContentType]: {
          schema: reference("Problem"),
          examples: Object.fromEntries(same.map((kind) => [kind, { value: example(kind) }])),
        },
      },
      ...(status === 503 && { headers: { "Retry-After": retryAfterHeader } }),
    };
  }
  return responses;
}

/** What every route under `/admin/` may refuse, and further kinds of problem. */
export function adminRefusals(...further: readonly ProblemKind[]): ApiResponses {
  return problemResponses(
    ...further,
    "invalid-request",
    "forbidden",
    "unauthorized",
    "invalid-query",
    "internal",
    "unavailable",
  );
}

/** A schema of `components.schemas`. */
export function reference(schema: string) {
  return { $ref: `#/components/schemas/${schema}` };
}

const retryAfterHeader = {
  description: "Seconds after which it is worth sending again.",
  schema: { type: "integer" as const, minimum: 1 },
};

function example(kind: ProblemKind) {
  const { status, title } = problemKinds[kind];
  const errors = kind === "invalid-payload" ? [{ pointer: "/cdn", detail: "is missing" }] : [];
  const detail = kind === "invalid-payload" ? "The fields listed are not valid." : title;
  return { type: problemType(kind), title, status, detail, errors };
}

/** The schema of every error response. */
export const problemSchema = {
  type: "object" as const,
  description: "RFC 9457 problem details. What was sent is never repeated.",
  required: ["type", "title", "status", "detail", "errors"],
  properties: {
    type: {
      type: "string" as const,
      description: "Stable name of the kind of problem.",
      enum: Object.keys(problemKinds).map((kind) => `urn:payload-stats:problem:${kind}`),
    },
    title: { type: "string" as const, description: "The kind of problem, for people." },
    status: { type: "integer" as const, description: "The status of the response." },
    detail: { type: "string" as const, description: "What is wrong with this request." },
    errors: {
      type: "array" as const,
      items: {
        type: "object" as const,
        required: ["pointer", "detail"],
        properties: {
          pointer: {
            type: "string" as const,
            description: "JSON pointer of the field, or ? and the name of a query parameter.",
          },
          detail: { type: "string" as const, description: "What is wrong with it." },
        },
      },
    },
  },
};
