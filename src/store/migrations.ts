/**
 * The versions of the database, in order. What has been released is changed by a later version
 * only. A function is changed in its own file, which that version runs again: so each function is
 * written down once.
 */
import { schema, sqlFile } from "./schema/schema.ts";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: string;
}

/** Versions 1 to 10 were steps on the way to the first; what they made is brought no further. */
export const migrations: readonly Migration[] = [
  { version: 11, name: "schema", statements: schema },
  {
    version: 12,
    name: "halted partitions",
    statements: sqlFiles("versions/halted_partitions", "functions/accept_loss"),
  },
  {
    version: 13,
    name: "quiet commits",
    statements: sqlFiles("functions/commit_partition", "functions/drop_rebuild"),
  },
  {
    version: 14,
    name: "imports that start over",
    statements: sqlFiles(
      "versions/imports",
      "functions/start_import",
      "functions/stage_events",
      "functions/finish_import",
    ),
  },
  { version: 15, name: "quick limits", statements: sqlFiles("functions/within_limits") },
];

function sqlFiles(...names: readonly string[]): string {
  return names.map((name) => sqlFile(`${name}.sql`)).join("\n");
}
