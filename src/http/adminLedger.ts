/** The ledger of all payloads, and the way on for a partition whose stream broke off. */
import { Elysia } from "elysia";
import type { LedgerReader, PartitionControl } from "../actors/operatorPorts.ts";
import type { Log } from "../log.ts";
import { acceptLossDetail, ledgerDetail } from "./adminLedgerDocs.ts";
import { askPort } from "./portCall.ts";
import { Problem } from "./problem.ts";
import { pathNames, QueryReader, readDecider } from "./queryParams.ts";

interface AdminLedgerDependencies {
  readonly ledger: LedgerReader;
  readonly partitionControl: PartitionControl;
  readonly log: Log;
}

/** The plugin with `GET /admin/ledger` and `POST /admin/partitions/:partition/accept-loss`. */
export function adminLedgerController(dependencies: AdminLedgerDependencies) {
  const { ledger, log } = dependencies;
  return new Elysia({ name: "admin-ledger" })
    .get(
      "/admin/ledger",
      async ({ request }) => {
        const reader = new QueryReader(request.url);
        const recount = reader.oneOf("recount", ["true", "false"]) === "true";
        reader.finish();
        return await askPort(log, () => ledger.report(recount));
      },
      { detail: ledgerDetail },
    )
    .post(
      "/admin/partitions/:partition/accept-loss",
      ({ request }) => acceptLoss(dependencies, request.url),
      { parse: "none", detail: acceptLossDetail },
    );
}

async function acceptLoss({ partitionControl, log }: AdminLedgerDependencies, url: string) {
  const [text = ""] = pathNames(url, 2);
  const by = readDecider(url);
  if (!/^\d{1,4}$/.test(text)) {
    throw new Problem("invalid-request", "A partition is a number from 0.");
  }
  const partition = Number(text);
  const outcome = await askPort(log, () => partitionControl.acceptLoss(partition, by));
  switch (outcome.kind) {
    case "unknown":
      throw new Problem("not-found", "There is no such partition.");
    case "running":
      throw new Problem(
        "conflict",
        "The partition is not stopped, or goes on by itself: there is no loss to accept.",
      );
    case "conflict":
      throw new Problem("conflict", "The partition changed meanwhile. Look at it again.");
    case "accepted": {
      const { position, data } = outcome;
      log.warn("the loss of payloads was accepted", { partition, position, by, ...data });
      return { partition, position, ...data };
    }
  }
}
