/** The routes of ingest. */
import { Elysia } from "elysia";
import type { IngestHandlers } from "./ingest.ts";
import { batchDetail, singleDetail } from "./ingestDocs.ts";

/** What a server answers before its router, which would be a good part of a payload's cost. */
export function directPosts({ single, batch }: IngestHandlers) {
  // Who sends payloads to a path with a slash at its end means this one: there are no names in it.
  return { "/stats": single, "/stats/": single, "/stats/batch": batch, "/stats/batch/": batch };
}

/**
 * The same routes in the router, for their documentation, and so that other methods are answered
 * 405 with all that is allowed. Elysia's body parser stays off: it takes form bodies, and `"1"` for
 * an integer.
 */
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
