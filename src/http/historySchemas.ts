/** Schemas that the descriptions of actors and of their past share. */
import { integer, text, time } from "./docParts.ts";

export const windowSchemas = {
  windowStart: time("Start of the window, which belongs to it."),
  windowEnd: time("End of the window, which does not belong to it.", "2026-01-31T10:15:00.000Z"),
  cdn: text("Bytes from the CDN so far, as decimal digits.", "123456789"),
  p2p: text("Bytes from peers so far, as decimal digits.", "987654321"),
  sessions: integer("Sessions begun so far.", 42),
  payloads: integer("Payloads counted so far.", 420),
  duplicates: integer("Repeated payloads that were not counted.", 0),
  firstSequence: integer("Sequence of the first message that holds one of them.", 1042),
  lastSequence: integer("Sequence of the last message that holds one of them.", 1977),
};

export const basisSchema = {
  type: "object" as const,
  description:
    "What the replay rests on. `whole-stream`: every message from the first on. `warm-up`: the " +
    "events for tokens, and messages from `from` on for repeats; windows that start at or after " +
    "`exactFrom` come out exactly. `not-retained`: there was no replay, for the `reason` given.",
  required: ["kind"],
  properties: {
    kind: { type: "string" as const, enum: ["whole-stream", "warm-up", "not-retained"] },
    fromSequence: integer("The first message that was read.", 1),
    from: time("The boundary at which reading began."),
    exactFrom: time("From here on windows come out exactly."),
    reason: text("Why there was no replay."),
  },
  example: { kind: "whole-stream", fromSequence: 1 },
};

export const totalSchemas = {
  windows: integer("Sealed windows until then.", 1),
  cdn: text("Their bytes from the CDN, as decimal digits.", "123456789"),
  p2p: text("Their bytes from peers, as decimal digits.", "987654321"),
  sessions: text("Their sessions, as decimal digits.", "42"),
  payloads: text("Their payloads, as decimal digits.", "420"),
  duplicates: text("Their repeats, as decimal digits.", "0"),
};
