/** How ingest is described in the OpenAPI document. The parser is ours, so is the description. */
import type { DocumentDecoration } from "elysia";
import { textBytesMax } from "../domain/payload.ts";
import { batchBytesMax, batchErrorsMax, batchRowsMax, payloadBytesMax } from "./limits.ts";
import { jsonResponse, problemResponses, reference } from "./openApi.ts";

const text = (description: string) => ({
  type: "string" as const,
  minLength: 1,
  description:
    `${description} 1 to ${textBytesMax} bytes of UTF-8, without control characters and ` +
    "lone surrogates, kept byte for byte.",
});

const count = (description: string) => ({
  type: "integer" as const,
  format: "int64",
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description,
});

const payloadExample = {
  token: "c98arf53-ae39-4c9d-af44-c6957ee2f748",
  customer: "Customer1",
  content: "channel1",
  timespan: 30000,
  p2p: 0,
  cdn: 1,
  sessionDuration: 2,
};

const errorExample = { index: 1, pointer: "/cdn", detail: "is missing" };

/** The schemas of ingest for `components.schemas`. */
export const ingestSchemas = {
  Payload: {
    type: "object" as const,
    description:
      "What a device reports every 30 seconds. Unknown fields are ignored; a field given twice " +
      "is refused.",
    required: Object.keys(payloadExample),
    properties: {
      token: text("Unique id of the video session, made by the device when it begins."),
      customer: text("The broadcaster."),
      content: text("The channel or video."),
      timespan: count("Milliseconds since the session's previous payload."),
      p2p: count("Bytes downloaded from peers since the session's previous payload."),
      cdn: count("Bytes downloaded from the CDN since the session's previous payload."),
      sessionDuration: count("Milliseconds since the session began."),
    },
    example: payloadExample,
  },
  BatchAnswer: {
    type: "object" as const,
    required: ["accepted", "rejected", "errors"],
    properties: {
      accepted: count(
        "Payloads that are stored. They count, except repeats under an Idempotency-Key.",
      ),
      rejected: count("Rows that were refused."),
      errors: {
        type: "array" as const,
        description: `The first ${batchErrorsMax} reasons.`,
        items: {
          type: "object" as const,
          properties: {
            index: count("The row, from 0; blank lines do not count."),
            pointer: { type: "string" as const, description: "JSON pointer into the row." },
            detail: { type: "string" as const, description: "What is wrong there." },
          },
          example: errorExample,
        },
      },
      errorsOmitted: count("Reasons left out of `errors`; absent when there are none."),
    },
  },
};

const idempotencyKeyHeader = {
  name: "Idempotency-Key",
  in: "header" as const,
  required: false,
  description:
    "1 to 255 visible ASCII characters. The same payload at the same place of a request with " +
    "the same key is not counted again until two windows after it came last. A different " +
    "payload under a known key is counted. Each new request takes a new key, and its repeats " +
    "keep it. A partition remembers its last 1.8 million payloads with a key.",
  schema: { type: "string" as const, minLength: 1, maxLength: 255 },
  example: "3f1c8a52-6f0e-4c39-9d0c-0b6a3c9d9d11",
};

const contentEncodingHeader = {
  name: "Content-Encoding",
  in: "header" as const,
  required: false,
  schema: { type: "string" as const, enum: ["gzip", "zstd", "identity"] },
};

const refusals = problemResponses(
  "not-json",
  "malformed-body",
  "invalid-idempotency-key",
  "timeout",
  "too-large",
  "unsupported-type",
  "invalid-payload",
  "internal",
  "overloaded",
  "unavailable",
);

export const singleDetail: DocumentDecoration = {
  tags: ["ingest"],
  summary: "Send one payload",
  description:
    `At most ${payloadBytesMax} bytes. The answer comes once the payload is stored durably; its ` +
    "window is decided by the broker's time of reception.",
  parameters: [idempotencyKeyHeader, contentEncodingHeader],
  requestBody: {
    required: true,
    content: {
      "application/json": { schema: reference("Payload") },
      "text/plain": { schema: reference("Payload") },
    },
  },
  responses: {
    202: jsonResponse("Stored. The receipt is `<partition>.<sequence>.<index>`.", {
      receipt: "7.1042.3",
    }),
    ...refusals,
  },
};

export const batchDetail: DocumentDecoration = {
  tags: ["ingest"],
  summary: "Send many payloads",
  description:
    `At most ${batchBytesMax} bytes after inflation and ${batchRowsMax} payloads. NDJSON holds ` +
    "one payload a line. Good rows are accepted even when others are bad. A body that is an " +
    "array is read as one, whatever its type, and any other one as NDJSON, but for a single JSON " +
    "value that is declared as application/json.",
  parameters: [idempotencyKeyHeader, contentEncodingHeader],
  requestBody: {
    required: true,
    content: {
      "application/x-ndjson": {
        schema: { type: "string" },
        example: `${JSON.stringify(payloadExample)}\n`,
      },
      "application/json": { schema: { type: "array", items: reference("Payload") } },
      "text/plain": { schema: { type: "string" } },
    },
  },
  responses: {
    202: jsonResponse(
      "The good rows are stored.",
      { accepted: 1, rejected: 1, errors: [errorExample] },
      "BatchAnswer",
    ),
    ...refusals,
  },
};
