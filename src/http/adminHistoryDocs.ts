/** How the questions about the past are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import { eventSchemas, sealedWindowExample } from "./adminEventDocs.ts";
import {
  answer,
  integer,
  limitParameter,
  listed,
  nameSchemas,
  nullable,
  nullInExample,
  pathParameter,
  queryParameter,
  record,
  requiredNameParameters,
  text,
  time,
} from "./docParts.ts";
import { basisSchema, windowSchemas } from "./historySchemas.ts";
import { adminPageDefault, adminPageMax } from "./limits.ts";
import { adminRefusals } from "./openApi.ts";

const refusals = adminRefusals("not-found", "overloaded");

const differenceSchemas = {
  what: { type: "string" as const, enum: ["event", "stats", "sessions"] },
  field: text("The field, or the column.", "cdn"),
  recorded: nullable(text("What stands there; null for nothing.", "999")),
  expected: nullable(text("What the replay, or for a row the event, says.", "1")),
};

const startsSession = {
  type: "boolean" as const,
  description: "Whether it starts a session.",
};

const payloadSchemas = {
  receipt: text("Partition, sequence and place.", "7.602.0"),
  receivedAt: time("The broker's time of its message.", "2026-01-31T10:05:00.011Z"),
  token: text("A digest that tells equal tokens, or with `tokens=shown` the token.", "#9f3c21ab"),
  timespan: integer("As sent.", 30000),
  p2p: integer("As sent.", 0),
  cdn: integer("As sent.", 1),
  sessionDuration: integer("As sent.", 2),
  outcome: { type: "string" as const, enum: ["counted", "duplicate"] },
  startsSession,
};

export const explainDetail: DocumentDecoration = {
  tags: ["history"],
  summary: "From a row to its event and its payloads, added up again",
  description:
    "Finds the event of a row, who sealed it and when. As long as the payloads are retained, " +
    "they are run through the same function once more, and event and rows are compared with the " +
    "result. A window that is not sealed yet is `open`. 404 when there is neither row, event nor " +
    "payload.",
  parameters: [
    { ...queryParameter("time", time("The `time` of the row: its window's end.")), required: true },
    ...requiredNameParameters,
    limitParameter("Payloads to list", {
      minimum: 0,
      maximum: adminPageMax,
      default: adminPageDefault,
    }),
    queryParameter("offset", { ...integer("Payloads to skip."), minimum: 0, default: 0 }),
    queryParameter("tokens", {
      type: "string",
      enum: ["masked", "shown"],
      default: "masked",
      description: "Whether payloads come with a digest of their token, or with the token.",
    }),
  ],
  responses: {
    200: answer("The explanation.", {
      ...nameSchemas,
      time: time("The `time` of the row."),
      windowStart: time("Start of the window.", "2026-01-31T10:05:00.000Z"),
      windowEnd: time("End of the window."),
      partition: integer("The partition of this customer and content, from 0.", 7),
      state: {
        type: "string",
        enum: ["sealed", "open", "unexplained"],
        description: "`unexplained`: there is a row, but no event that says so.",
      },
      row: record({
        cdn: nullable(text("In `stats`; null when there is no row.", "123456789")),
        p2p: nullable(text("In `stats`.", "987654321")),
        sessions: nullable(text("In `sessions`.", "42")),
      }),
      event: nullable(record(eventSchemas)),
      sealedAfterMs: nullable(integer("From the window's end to the commit, ms.", 120)),
      basis: basisSchema,
      sessionMemory: nullable(
        text("SESSION_MEMORY that its sessions were counted with; null when it changed.", "24h"),
      ),
      replayed: { ...nullable(record(windowSchemas)), example: sealedWindowExample },
      agrees: {
        type: "boolean",
        description: "Whether everything that could be compared is equal.",
      },
      compared: {
        type: "array",
        items: { type: "string", enum: ["event", "stats", "sessions"] },
        example: ["event", "stats", "sessions"],
      },
      differences: { ...listed(differenceSchemas), example: [] },
      payloads: listed(payloadSchemas, "In the order in which they were read."),
      payloadsTotal: integer("Payloads of the window in the stream, repeats included.", 420),
    }),
    ...refusals,
  },
};

export const receiptDetail: DocumentDecoration = {
  tags: ["history"],
  summary: "What became of one payload",
  description:
    "`unread`: its partition's owner is not known to have come that far. `open`: counted in a " +
    "window that has not ended. `sealed`: counted in `event`. `duplicate`: a repeat, of " +
    "`duplicateOf` where that is known. `quarantined`: set aside, for `reason`; the receipt " +
    "`retriedAs` tells what became of its retry. `gone`: no longer " +
    "retained; one of `candidates` may count it. 404 when there was never such a payload.",
  parameters: [pathParameter("receipt", text("As the device got it.", "7.1042.3"))],
  responses: {
    200: answer("What is known of it.", {
      receipt: text("The receipt.", "7.1042.3"),
      status: {
        type: "string",
        enum: ["unread", "open", "sealed", "duplicate", "quarantined", "gone"],
        example: "open",
      },
      partition: integer("Its partition, from 0.", 7),
      receivedAt: nullable(time("The broker's time of its message.", "2026-01-31T10:10:00.311Z")),
      customer: nullable(nameSchemas.customer),
      content: nullable(nameSchemas.content),
      windowStart: nullable(time("Start of its window, which belongs to it.")),
      windowEnd: nullable(
        time("End of its window, which is the `time` of its row.", "2026-01-31T10:15:00.000Z"),
      ),
      startsSession: nullable(startsSession),
      event: nullInExample(record(eventSchemas)),
      duplicateOf: nullInExample(text("The receipt of the payload that it repeats.")),
      reason: nullInExample(text("Why it stands in quarantine.")),
      retriedAs: nullInExample(text("The receipt of its last retry out of quarantine.")),
      candidates: {
        ...listed(eventSchemas, "Events whose range of sequences holds it."),
        example: [],
      },
      basis: nullable(basisSchema),
    }),
    ...refusals,
  },
};
