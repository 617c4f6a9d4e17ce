import type { Command } from "commander";
import { isObject } from "../../domain/json.ts";
import { CliFailure } from "../failure.ts";
import { objectsIn } from "../json.ts";
import { contextOf, example } from "../verb.ts";

/** Exit code 1 when a payload is nowhere, or in two places. */
export function addLedgerVerb(program: Command): void {
  program
    .command("ledger")
    .description("account for every payload: read = sealed + open + duplicates + quarantined")
    .option("--recount", "add up all events anew")
    .addHelpText("after", example("ledger --recount"))
    .action(async ({ recount = false }: { recount?: boolean }, command: Command) => {
      const { client, out } = contextOf(command);
      const body = await client.get("/admin/ledger", { recount: recount ? true : undefined });
      const total = isObject(body.total) ? { partition: "all", ...body.total } : {};
      out.rows(
        body,
        [...objectsIn(body, "partitions"), total],
        [
          ["PARTITION", "partition"],
          ["READ", "read"],
          ["SEALED", "sealed"],
          ["OPEN", "open"],
          ["DUPLICATES", "duplicates"],
          ["QUARANTINED", "quarantined"],
          ["MISSING", "missing"],
          [
            "BALANCED",
            ({ balanced }) => (balanced === true ? "yes" : "no"),
            ({ balanced }) => (balanced === true ? "green" : "red"),
          ],
        ],
      );
      if (body.balanced !== true) throw new CliFailure("the ledger is not balanced");
    });
}
