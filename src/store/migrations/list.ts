/**
 * The migrations, in order. A migration that has been released is never changed: what it got
 * wrong is mended by a later one.
 */
import tables from "./0001_tables.sql" with { type: "text" };
import commit from "./0002_commit.sql" with { type: "text" };
import leases from "./0003_leases.sql" with { type: "text" };
import projections from "./0004_projections.sql" with { type: "text" };
import operations from "./0005_operations.sql" with { type: "text" };
import builds from "./0006_builds.sql" with { type: "text" };
import imports from "./0007_imports.sql" with { type: "text" };
import eventLines from "./0008_event_lines.sql" with { type: "text" };
import eventColumns from "./0009_event_columns.sql" with { type: "text" };
import sessionMemories from "./0010_session_memories.sql" with { type: "text" };
import importUnsealed from "./0011_import_unsealed.sql" with { type: "text" };

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly statements: string;
}

export const migrations: readonly Migration[] = [
  { version: 1, name: "tables", statements: tables },
  { version: 2, name: "commit", statements: commit },
  { version: 3, name: "leases", statements: leases },
  { version: 4, name: "projections", statements: projections },
  { version: 5, name: "operations", statements: operations },
  { version: 6, name: "builds", statements: builds },
  { version: 7, name: "imports", statements: imports },
  { version: 8, name: "event_lines", statements: eventLines },
  { version: 9, name: "event_columns", statements: eventColumns },
  { version: 10, name: "session_memories", statements: sessionMemories },
  { version: 11, name: "import_unsealed", statements: importUnsealed },
];
