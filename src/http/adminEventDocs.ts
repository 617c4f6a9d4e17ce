/** How the routes of the event log are described in the OpenAPI document. */
import type { DocumentDecoration } from "elysia";
import {
  answer,
  integer,
  limitParameter,
  listed,
  nameParameters,
  nameSchemas,
  nullable,
  nullInExample,
  queryParameter,
  text,
  time,
} from "./docParts.ts";
import { adminPageDefault, adminPageMax } from "./limits.ts";
import { adminRefusals } from "./openApi.ts";

/** What an event says of its window. */
export const sealedWindowExample = {
  windowStart: "2026-01-31T10:05:00.000Z",
  windowEnd: "2026-01-31T10:10:00.000Z",
  cdn: "123456789",
  p2p: "987654321",
  sessions: 42,
  payloads: 420,
  duplicates: 0,
  firstSequence: 602,
  lastSequence: 1041,
};

export const eventSchemas = {
  partition: integer("The partition, from 0.", 7),
  position: integer("Place in the events of the partition, from 1, without gaps.", 12),
  type: text("The kind of event.", "WindowSealed"),
  version: integer("The version that was written; `data` is shown as the newest has it.", 1),
  customer: nullable(nameSchemas.customer),
  content: nullable(nameSchemas.content),
  windowEnd: nullable(time("End of the window that it is about.")),
  data: {
    type: "object" as const,
    description:
      "What happened, by the stream alone. Sums of bytes are decimal strings. The digests of " +
      "tokens are left out; the table `events` holds them.",
    example: sealedWindowExample,
  },
  recordedAt: time("When it was committed.", "2026-01-31T10:10:00.120Z"),
  sealedBy: text("Id of the worker that committed it.", "host1-4711-0a1b2c3d"),
  epoch: integer("The epoch under which it was committed.", 3),
};

const partitionSchemas = {
  partition: integer("The partition, from 0.", 7),
  owner: nullable(
    text("Id of the worker that owns it; null when none does.", "host1-4711-0a1b2c3d"),
  ),
  epoch: integer("Grows at every change of owner.", 3),
  sequence: integer("Last message of its stream that is in the checkpoint.", 1977),
  position: integer("Position of its last event.", 12),
  sealedThrough: nullable(time("All its windows that end at or before it are sealed.")),
  checkpointedAt: nullable(time("When its checkpoint was written.", "2026-01-31T10:10:00.120Z")),
  stopped: nullInExample(text("Why it is stopped; null while it runs.")),
  halted: {
    type: "boolean" as const,
    description: "True when it is stopped and cannot go on by itself.",
    example: false,
  },
};

export const partitionsDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "All partitions, with owner and checkpoint",
  responses: {
    200: answer("The partitions, by number.", { partitions: listed(partitionSchemas) }),
    ...adminRefusals(),
  },
};

export const eventsDetail: DocumentDecoration = {
  tags: ["event log"],
  summary: "Events",
  description:
    "Of one partition by position, of one customer by window, else by time of recording. To " +
    "page through a partition, or through an actor by `customer` and `content`, repeat the " +
    "request with `next` as `afterPosition`; without either there are no further pages.",
  parameters: [
    queryParameter("partition", integer("Only of this partition, from 0.", 7)),
    ...nameParameters,
    queryParameter(
      "afterPosition",
      integer(
        "Only after this position, in the order asked for. Needs `partition`, or `customer` " +
          "and `content`.",
        12,
      ),
    ),
    limitParameter("Events", { maximum: adminPageMax, default: adminPageDefault }),
    queryParameter("order", {
      type: "string",
      enum: ["desc", "asc"],
      default: "desc",
      description: "Newest (desc) or oldest (asc) first.",
    }),
  ],
  responses: {
    200: answer("The events.", {
      events: listed(eventSchemas),
      next: nullable(integer("`afterPosition` of the next page, where there may be one.", 12)),
    }),
    ...adminRefusals(),
  },
};
