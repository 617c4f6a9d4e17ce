/**
 * The tables and functions of the database, as an empty one gets them. Text is compared bytewise
 * everywhere (collate "C"): the order of names must not depend on the locale of the server.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The text of an SQL file of this folder. */
export function sqlFile(path: string): string {
  return readFileSync(join(import.meta.dir, path), "utf8");
}

/** In any order, and before the triggers: what a body refers to is looked for when it runs. */
const functions = readdirSync(join(import.meta.dir, "functions"))
  .toSorted()
  .map((name) => sqlFile(`functions/${name}`));

/** What others refer to comes first. */
const tables = ["settings", "partitions", "events", "projections"].map((name) =>
  sqlFile(`tables/${name}.sql`),
);

export const schema = [...functions, ...tables].join("\n");
