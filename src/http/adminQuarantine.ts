/** What could not be applied, and decisions on it. */
import { Elysia } from "elysia";
import {
  type QuarantineControl,
  type QuarantineQuery,
  type QuarantineRow,
  quarantineStates,
  type RetryOutcome,
} from "../actors/operatorPorts.ts";
import { formatPlace, parsePlace, type QuarantinePlace } from "../domain/receipt.ts";
import type { Log } from "../log.ts";
import {
  discardDetail,
  quarantineDetail,
  quarantineRowDetail,
  retryDetail,
} from "./adminQuarantineDocs.ts";
import { adminPageDefault, adminPageMax } from "./limits.ts";
import { askPort } from "./portCall.ts";
import { Problem } from "./problem.ts";
import { pathNames, QueryReader, readDecider } from "./queryParams.ts";

interface AdminQuarantineDependencies {
  readonly quarantine: QuarantineControl;
  readonly partitions: number;
  readonly log: Log;
}

const refusals: Readonly<Record<Exclude<RetryOutcome["kind"], "retried" | "unknown">, string>> = {
  already: "It was retried before.",
  discarded: "It was discarded.",
  lost: "Its message is in the stream no longer, and not all of it was kept.",
  oversized:
    "In the envelope of a retry it is larger than what the broker takes; raise its max_payload.",
  uncertain:
    "A retry failed long ago, and whether it took effect is not known: " +
    "another could count twice. It can be discarded.",
  busy: "Too much of this partition was retried within a day. Go on later.",
};

/** The plugin with the list, one row, `retry` and `discard`. */
export function adminQuarantineController(dependencies: AdminQuarantineDependencies) {
  const { quarantine, partitions, log } = dependencies;
  return new Elysia({ name: "admin-quarantine" })
    .get(
      "/admin/quarantine",
      async ({ request }) => {
        const query = readQuery(request.url, partitions);
        const rows = await askPort(log, () => quarantine.list(query));
        const next = rows.length < query.limit ? null : (rows.at(-1)?.id ?? null);
        return { quarantine: rows.map(rowFields), next };
      },
      { detail: quarantineDetail },
    )
    .get(
      "/admin/quarantine/:receipt",
      async ({ request }) => {
        const place = readPlace(request.url, 1);
        new QueryReader(request.url).finish();
        const row = await askPort(log, () => quarantine.find(place));
        if (row === undefined) throw notFound();
        return rowFields(row);
      },
      { detail: quarantineRowDetail },
    )
    .post("/admin/quarantine/:receipt/retry", ({ request }) => retry(dependencies, request.url), {
      parse: "none",
      detail: retryDetail,
    })
    .post(
      "/admin/quarantine/:receipt/discard",
      ({ request }) => discard(dependencies, request.url),
      { parse: "none", detail: discardDetail },
    );
}

function readQuery(url: string, partitions: number): QuarantineQuery {
  const reader = new QueryReader(url);
  const partition = reader.integer("partition", 0, partitions - 1);
  const state = reader.oneOf("state", quarantineStates);
  const reason = reader.name("reason");
  const before = reader.integer("before", 1, Number.MAX_SAFE_INTEGER);
  const limit = reader.integer("limit", 1, adminPageMax) ?? adminPageDefault;
  reader.finish();
  return { partition, state, reason, before, limit };
}

async function retry({ quarantine, log }: AdminQuarantineDependencies, url: string) {
  const place = readPlace(url, 2);
  const by = readDecider(url);
  const outcome = await askPort(log, () => quarantine.retry(place, by));
  if (outcome.kind === "unknown") throw notFound();
  if (outcome.kind !== "retried") throw new Problem("conflict", refusals[outcome.kind]);
  const receipt = formatPlace(place);
  log.info("something quarantined was retried", { receipt, retriedAs: outcome.retriedAs, by });
  return { receipt, retriedAs: outcome.retriedAs };
}

async function discard({ quarantine, log }: AdminQuarantineDependencies, url: string) {
  const place = readPlace(url, 2);
  const by = readDecider(url);
  const outcome = await askPort(log, () => quarantine.discard(place, by));
  if (outcome === "unknown") throw notFound();
  if (outcome === "conflict") {
    throw new Problem(
      "conflict",
      "It was retried or discarded before, or is being retried: see its state.",
    );
  }
  const receipt = formatPlace(place);
  log.info("something quarantined was discarded", { receipt, by });
  return { receipt, discarded: true };
}

/** The receipt in the path, `fromEnd` segments before its end. */
function readPlace(url: string, fromEnd: number): QuarantinePlace {
  const [text = ""] = pathNames(url, fromEnd);
  const place = parsePlace(text);
  if (place === undefined) {
    throw new Problem("invalid-request", "A receipt is like 7.1042.3, and 7.1042 for a message.");
  }
  return place;
}

function notFound(): Problem {
  return new Problem("not-found", "Nothing was quarantined under this receipt.");
}

function rowFields({ id, place, ...rest }: QuarantineRow) {
  const { partition, sequence, index } = place;
  return { id, receipt: formatPlace(place), partition, sequence, index, ...rest };
}
