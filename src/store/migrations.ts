/**
 * The versions of the database, in order. What has been released is changed by a later version
 * only. A function is changed in its own file, which that version runs again: so each function is
 * written down once.
 */
import acceptLoss from "./schema/functions/accept_loss.sql" with { type: "text" };
import commitPartition from "./schema/functions/commit_partition.sql" with { type: "text" };
import dropRebuild from "./schema/functions/drop_rebuild.sql" with { type: "text" };
import finishImport from "./schema/functions/finish_import.sql" with { type: "text" };
import stageEvents from "./schema/functions/stage_events.sql" with { type: "text" };
import startImport from "./schema/functions/start_import.sql" with { type: "text" };
import { schema } from "./schema/schema.ts";
import haltedPartitions from "./schema/versions/halted_partitions.sql" with { type: "text" };
import imports from "./schema/versions/imports.sql" with { type: "text" };

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: string;
}

/** Versions 1 to 10 were steps on the way to the first; what they made is brought no further. */
export const migrations: readonly Migration[] = [
  { version: 11, name: "schema", statements: schema },
  { version: 12, name: "halted partitions", statements: haltedPartitions + acceptLoss },
  {
    version: 13,
    name: "quiet commits",
    statements: commitPartition + dropRebuild,
  },
  {
    version: 14,
    name: "imports that start over",
    statements: imports + startImport + stageEvents + finishImport,
  },
];
