/** Liveness and readiness, for whatever supervises the process. */
import { Elysia } from "elysia";
import type { Readiness, ReadinessCheck } from "../actors/readPorts.ts";
import { errorMessage } from "../log.ts";
import { type ApiResponses, jsonResponse } from "./openApi.ts";

interface HealthOptions {
  /** Rejects when the process is not alive, though this thread of it is. */
  readonly alive?: (() => Promise<void>) | undefined;
  /** What a guard before the routes may answer, for their descriptions. */
  readonly refusals?: { readonly livez: ApiResponses; readonly readyz: ApiResponses };
}

export function healthController(readiness: Readiness, options: HealthOptions) {
  const { alive = async () => {}, refusals } = options;
  return new Elysia({ name: "health" })
    .get(
      "/livez",
      async ({ set }) => {
        const isAlive = await alive().then(
          () => true,
          () => false,
        );
        set.status = isAlive ? 200 : 503;
        return { status: isAlive ? "ok" : "unavailable" };
      },
      {
        detail: {
          tags: ["health"],
          summary: "Is the process alive?",
          description: "Touches nothing: it answers as long as the process serves requests.",
          responses: {
            200: jsonResponse("It is.", { status: "ok" }),
            503: jsonResponse("Its first thread does not answer.", { status: "unavailable" }),
            ...refusals?.livez,
          },
        },
      },
    )
    .get(
      "/readyz",
      async ({ set }) => {
        const checks = await readiness().catch(failedReadiness);
        const ready = checks.every((check) => check.ok);
        set.status = ready ? 200 : 503;
        return { status: ready ? "ok" : "unavailable", checks };
      },
      {
        detail: {
          tags: ["health"],
          summary: "Can the process do its work?",
          description: "Lists each dependency and each invariant that is watched.",
          responses: {
            200: jsonResponse("Every check is good.", readyExample(true)),
            503: jsonResponse("At least one check is not good.", readyExample(false)),
            ...refusals?.readyz,
          },
        },
      },
    );
}

function failedReadiness(error: unknown): readonly ReadinessCheck[] {
  return [{ name: "readiness", ok: false, detail: errorMessage(error) }];
}

function readyExample(ok: boolean) {
  const detail = ok ? "answers" : "not connected";
  return { status: ok ? "ok" : "unavailable", checks: [{ name: "nats", ok, detail }] };
}
