/** The refusals and failures of ingest, in words that tell the sender what to do. */
import { PayloadLogUnavailable } from "../actors/ports.ts";
import type { Log } from "../log.ts";
import { Problem, unexpectedProblem } from "./problem.ts";

export function notJson(): Problem {
  return new Problem("not-json", "The body must be valid JSON.");
}

export function invalidPayload(errors: Problem["errors"]): Problem {
  return new Problem("invalid-payload", "The fields listed are not valid.", { errors });
}

export function unsupportedType(types: string): Problem {
  return new Problem("unsupported-type", `Content-Type must be ${types}, in UTF-8.`);
}

export function overloaded(): Problem {
  return new Problem("overloaded", "Nothing was stored. Send it again a little later.", {
    headers: { "retry-after": "1" },
  });
}

/** What a failed append lets us say. Some of a request's payloads may have been stored. */
export function failureProblem(log: Log, error: unknown): Problem {
  if (!(error instanceof PayloadLogUnavailable)) return unexpectedProblem(log, error);
  return new Problem(
    error.reason === "overloaded" ? "overloaded" : "unavailable",
    "It is not known to be stored. Send it again a little later, each time with the same " +
      "Idempotency-Key if it must not be counted twice.",
    { cause: error, headers: { "retry-after": retryAfterSeconds(error.reason) } },
  );
}

function retryAfterSeconds(reason: PayloadLogUnavailable["reason"]): string {
  return reason === "overloaded" || reason === "timeout" ? "1" : "5";
}
