/** How the ledger and the acceptance of losses are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import { byParameter } from "./adminQuarantineDocs.ts";
import {
  answer,
  integer,
  listed,
  pathParameter,
  queryParameter,
  record,
  text,
} from "./docParts.ts";
import { adminRefusals } from "./openApi.ts";

const balanced = {
  type: "boolean" as const,
  description: "read = sealed + open + duplicates + quarantined.",
};

const sumSchemas = {
  read: integer("Payloads in the messages up to the checkpoint, as their owners counted.", 1000),
  sealed: integer("Payloads of the events, added up over the event log.", 900),
  open: integer("Payloads of the windows that are open in the checkpoint.", 80),
  duplicates: integer("Payloads that were repeats.", 15),
  quarantined: integer("Rows of the quarantine, whatever was decided on them.", 5),
  missing: integer("`read` less all the others.", 0),
  balanced,
};

const lineSchemas = {
  partition: integer("The partition, from 0.", 7),
  sequence: integer("The last message of its checkpoint.", 1977),
  position: integer("The last event of its checkpoint.", 12),
  ...sumSchemas,
};

export const ledgerDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "Is every payload accounted for?",
  description:
    "The numbers of a partition are all of one checkpoint. A ledger that is not balanced turns " +
    "/readyz red.",
  parameters: [
    queryParameter("recount", {
      type: "string",
      enum: ["true", "false"],
      default: "false",
      description:
        "Adds up all events anew, and not only those since the last time. Takes about a second " +
        "for a million events.",
    }),
  ],
  responses: {
    200: answer("The ledger.", {
      balanced,
      total: record(sumSchemas),
      partitions: listed(lineSchemas),
    }),
    ...adminRefusals(),
  },
};

export const acceptLossDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "Let a stopped partition go on although messages are lost",
  description:
    "Only for a partition that is stopped and cannot go on by itself. It goes on at the " +
    "first message of its stream that is " +
    "later than the last one it read; its open windows stay. What was lost is not counted. The " +
    "decision is recorded as an event `LossAccepted`.",
  parameters: [pathParameter("partition", integer("From 0.", 7)), byParameter],
  responses: {
    200: answer("The partition goes on.", {
      partition: integer("The partition.", 7),
      position: integer("The position of the event.", 13),
      reason: text("Why it was stopped.", "the stream was made anew"),
      checkpoint: record({
        sequence: integer("The last message read.", 1977),
        time: text("Its time at the broker, nanoseconds since 1970.", "1769854200120000000"),
      }),
      streamCreatedBefore: text(
        "When the stream that was read had been created.",
        "2026-01-01T00:00:00.000000001Z",
      ),
      streamCreatedAfter: text(
        "When the stream that is there now was created.",
        "2026-01-31T10:12:00.000000001Z",
      ),
      firstSequence: integer("The first message that the stream holds.", 1),
      lastSequence: integer("The last message that the stream holds.", 20),
      continuesFrom: integer("The first message that is read again.", 1),
    }),
    ...adminRefusals("not-found", "conflict"),
  },
};
