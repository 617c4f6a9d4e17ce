/** The routes of ingest. */
import { Elysia } from "elysia";
import type { IngestHandlers } from "./ingest.ts";
import { batchDetail, singleDetail } from "./ingestDocs.ts";

/** Elysia's body parser stays off: it takes form bodies, and `"1"` for an integer. */
export function ingestController(handlers: IngestHandlers) {
  return new Elysia({ name: "ingest" })
    .post("/stats", ({ request }) => handlers.single(request), {
      parse: "none",
      detail: singleDetail,
    })
    .post("/stats/batch", ({ request }) => handlers.batch(request), {
      parse: "none",
      detail: batchDetail,
    });
}
