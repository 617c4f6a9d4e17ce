/** Questions about the past: why a number is what it is, and what became of a payload. */
import { Elysia } from "elysia";
import type {
  ExplainQuery,
  Explanation,
  FutureMoment,
  History,
  PastActor,
  PastMoment,
  ReceiptFate,
} from "../actors/historyPorts.ts";
import { formatDuration } from "../domain/duration.ts";
import { parseReceipt } from "../domain/receipt.ts";
import type { Log } from "../log.ts";
import { eventFields } from "./adminEvents.ts";
import { explainDetail, receiptDetail } from "./adminHistoryDocs.ts";
import { adminPageDefault, adminPageMax, recentEvents } from "./limits.ts";
import { askPort } from "./portCall.ts";
import { Problem } from "./problem.ts";
import { pathNames, QueryReader } from "./queryParams.ts";
import { parseMoment } from "./timeText.ts";

interface AdminHistoryDependencies {
  readonly history: History;
  readonly windowMs: number;
  readonly log: Log;
}

/** The plugin with `GET /admin/explain` and `GET /admin/receipts/:receipt`. */
export function adminHistoryController({ history, windowMs, log }: AdminHistoryDependencies) {
  return new Elysia({ name: "admin-history" })
    .get(
      "/admin/explain",
      async ({ request }) => {
        const query = readExplainQuery(request.url, windowMs);
        const found = await askPort(log, () => history.explain(query));
        if (found !== undefined) return explanationFields(found);
        throw new Problem(
          "not-found",
          "There is no row and no event of that window, and no payload that counts in it.",
        );
      },
      { detail: explainDetail },
    )
    .get(
      "/admin/receipts/:receipt",
      async ({ request }) => {
        const [text = ""] = pathNames(request.url, 1);
        new QueryReader(request.url).finish();
        const receipt = parseReceipt(text);
        if (receipt === undefined) {
          throw new Problem("invalid-request", "A receipt is written partition.sequence.index.");
        }
        const found = await askPort(log, () => history.receipt(receipt));
        if (found !== undefined) return fateFields(found);
        throw new Problem("not-found", "No payload was ever answered with this receipt.");
      },
      { detail: receiptDetail },
    );
}

function readExplainQuery(url: string, windowMs: number): ExplainQuery {
  const reader = new QueryReader(url);
  for (const name of ["time", "customer", "content"]) {
    if (!reader.has(name)) reader.refuse(name, "is missing");
  }
  const windowEndMs = reader.time("time") ?? 0;
  if (windowEndMs % windowMs !== 0) {
    reader.refuse("time", `must be the end of a window of ${formatDuration(windowMs)}`);
  }
  const customer = reader.name("customer") ?? "";
  const content = reader.name("content") ?? "";
  const limit = reader.integer("limit", 0, adminPageMax) ?? adminPageDefault;
  const offset = reader.integer("offset", 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const showTokens = reader.oneOf("tokens", ["masked", "shown"]) === "shown";
  reader.finish();
  return { windowEndMs, customer, content, limit, offset, showTokens };
}

/** Reads `at`: a time, or a position in the events of the actor's partition. */
export function readMoment(reader: QueryReader, name: string): PastMoment | undefined {
  const text = reader.text(name);
  if (text === undefined) return undefined;
  const must = "must be a time like 2026-01-31T10:05:00Z, or a position of an event";
  return parseMoment(text) ?? reader.refuse(name, must);
}

function explanationFields({ event, sealedAfterMs, replayed, ...rest }: Explanation) {
  return {
    ...rest,
    event: event === undefined ? null : eventFields(event),
    sealedAfterMs: sealedAfterMs ?? null,
    replayed: replayed ?? null,
  };
}

function fateFields({ event, candidates, ...rest }: ReceiptFate) {
  return {
    ...rest,
    event: event === undefined ? null : eventFields(event),
    candidates: candidates.map(eventFields),
  };
}

/** An actor as it was, in the form of one that is shown now. */
export async function showPastActor(
  history: History,
  log: Log,
  names: { readonly customer: string; readonly content: string },
  moment: PastMoment,
) {
  const found = await askPort(log, () => history.actorAt(names, moment, recentEvents));
  if (found !== undefined && "kind" in found) {
    throw new Problem("invalid-query", "The moment is in the future.", {
      errors: [{ pointer: "?at", detail: `is in the future: ${newestText(found)}` }],
    });
  }
  if (found !== undefined) return pastFields(found);
  throw new Problem("not-found", "Nothing was known then of this customer and content.");
}

function newestText({ newest }: FutureMoment): string {
  const text =
    newest.kind === "time" ? new Date(newest.timeMs).toISOString() : `position ${newest.position}`;
  return `the newest moment is ${text}`;
}

function pastFields({ window, totals, events, ...rest }: PastActor) {
  const { windows, cdn, p2p, sessions, payloads, duplicates } = totals;
  return {
    ...rest,
    window: window ?? null,
    totals: {
      windows,
      cdn: cdn.toString(),
      p2p: p2p.toString(),
      sessions: sessions.toString(),
      payloads: payloads.toString(),
      duplicates: duplicates.toString(),
    },
    events: events.map(eventFields),
  };
}
