/** The metrics of this process, for a monitoring system to collect. */
import { Elysia } from "elysia";
import type { Log } from "../log.ts";
import { text } from "./docParts.ts";
import { problemResponses } from "./openApi.ts";
import { askPort } from "./portCall.ts";

const metricsType = "text/plain; version=0.0.4; charset=utf-8";

/** @param metrics renders them in the Prometheus text format. */
export function metricsController(log: Log, metrics: () => Promise<string>) {
  return new Elysia({ name: "metrics" }).get(
    "/metrics",
    async () =>
      new Response(await askPort(log, metrics), { headers: { "content-type": metricsType } }),
    {
      detail: {
        tags: ["metrics"],
        summary: "Metrics of this process",
        description: "Prometheus text format 0.0.4. Units end the names.",
        responses: {
          200: {
            description: "The metrics.",
            content: {
              "text/plain": {
                schema: text("Prometheus text format."),
                example:
                  "# HELP payload_stats_accepted_total Payloads answered 202.\n" +
                  "# TYPE payload_stats_accepted_total counter\n" +
                  'payload_stats_accepted_total{by="ingest"} 42\n',
              },
            },
          },
          ...problemResponses("forbidden", "unauthorized", "internal", "unavailable"),
        },
      },
    },
  );
}
