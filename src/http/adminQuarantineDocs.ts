/** How the routes of the quarantine are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import { quarantineStates } from "../actors/operatorPorts.ts";
import {
  answer,
  integer,
  limitParameter,
  listed,
  nullable,
  nullInExample,
  pathParameter,
  queryParameter,
  text,
  time,
} from "./docParts.ts";
import { adminPageDefault, adminPageMax } from "./limits.ts";
import { adminRefusals } from "./openApi.ts";

const state = {
  type: "string" as const,
  enum: [...quarantineStates],
  description:
    "`held` waits for a decision; `retrying` is being published again, or a failure left open " +
    "whether it was.",
};

const receipt = text("`7.1042.3` a payload, `7.1042` a whole message.", "7.1042.3");

const rowSchemas = {
  id: integer("Grows with every row.", 12),
  receipt: { ...receipt, example: "7.1042" },
  partition: integer("The partition, from 0.", 7),
  sequence: integer("The message in the partition's stream.", 1042),
  index: integer("The payload in the message, from 0; -1 for the whole message.", -1),
  reason: text("Why it could not be applied.", "the message is not JSON"),
  found: text(
    "What was found, cut: 64 KiB at most, and little each of many payloads of one message. " +
      "Nothing of a payload with lists or objects among its values. A " +
      "list has 1,024 characters of it.",
    "{",
  ),
  quarantinedAt: time("When it was set aside.", "2026-01-31T10:10:00.120Z"),
  state,
  retriedAs: nullInExample(text("Its new receipt, after a retry.")),
  decidedAt: nullInExample(time("When it was retried or discarded.")),
  decidedBy: nullInExample(text("Who decided.")),
};

export const byParameter = queryParameter("by", text("Who decides, for the record.", "anna@host1"));

const receiptParameter = pathParameter(
  "receipt",
  text(
    "`7.1042.3` a payload, `7.1042` a whole message. `@1` behind it means the first incarnation " +
      "of the stream after an accepted loss; without it the newest one is meant.",
    "7.1042.3",
  ),
);

export const quarantineDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "What could not be applied, newest first",
  description:
    "Payloads and messages that were set aside, with the reason. None stops a partition. To " +
    "page, repeat the request with `next` as `before`.",
  parameters: [
    queryParameter("partition", integer("Only of this partition, from 0.", 7)),
    queryParameter("state", state),
    queryParameter("reason", text("Only with exactly this reason.", "the message is not JSON")),
    queryParameter("before", integer("Only rows with a smaller id.", 12)),
    limitParameter("Rows", { maximum: adminPageMax, default: adminPageDefault }),
  ],
  responses: {
    200: answer("The newest rows.", {
      quarantine: listed(rowSchemas),
      next: nullable(integer("`before` of the next page, where there may be one.", 12)),
    }),
    ...adminRefusals(),
  },
};

export const quarantineRowDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "One thing that could not be applied",
  parameters: [receiptParameter],
  responses: {
    200: answer("The row.", rowSchemas),
    ...adminRefusals("not-found"),
  },
};

export const retryDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "Publish it again, as it was",
  description:
    "Into the stream of its partition, for a program that can read it by now, or a window in " +
    "which it fits. It is counted in the window of the retry, and once, however often it is " +
    "asked for. 409 when it was decided before, or can no longer be retried safely.",
  parameters: [receiptParameter, byParameter],
  responses: {
    200: answer("It is stored in the stream again.", {
      receipt,
      retriedAs: text("Its new receipt.", "7.2001.0"),
    }),
    ...adminRefusals("not-found", "conflict"),
  },
};

export const discardDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "Let it be",
  description: "It stays in the table and in the ledger, and cannot be retried any more.",
  parameters: [receiptParameter, byParameter],
  responses: {
    200: answer("It is marked as discarded.", {
      receipt,
      discarded: { type: "boolean", description: "True." },
    }),
    ...adminRefusals("not-found", "conflict"),
  },
};
