/** Brings the database to the version of this code. */
import type { Database } from "./database.ts";
import { type Migration, migrations } from "./migrations.ts";

/** Other processes may be migrating: this one waits for them. */
const deadlineMs = 60_000;

/** The database has been migrated by a newer version of the program. */
export class DatabaseTooNew extends Error {
  constructor(found: number, known: number) {
    super(
      `the database is at version ${found}, this program knows versions up to ${known}: ` +
        "run the newer program, or restore the database from before it was upgraded",
    );
  }
}

/** The database is of a version that came before the first one of the list. */
export class DatabaseTooOld extends Error {
  constructor(found: number, first: number) {
    super(
      `the database is at version ${found}, this program goes on from version ${first}: start an ` +
        "earlier program on it once (docs/OPERATIONS.md, Upgrading), or use a new database",
    );
  }
}

/**
 * Applies what is missing, each migration in one transaction. Safe when several processes start
 * at once.
 * @throws DatabaseTooNew, DatabaseTooOld
 */
export async function migrate(database: Database, list = migrations): Promise<void> {
  await createVersionTable(database);
  const found = await schemaVersion(database);
  checkVersion(found, list);
  for (const migration of list) {
    if (migration.version > found) await applyMigration(database, migration);
  }
}

/** @throws DatabaseTooNew, DatabaseTooOld */
export function checkVersion(found: number, list = migrations): void {
  const first = list[0]?.version ?? 0;
  const known = list.at(-1)?.version ?? 0;
  if (found > known) throw new DatabaseTooNew(found, known);
  if (found > 0 && found < first) throw new DatabaseTooOld(found, first);
}

/** The version of the tables; 0 before there are any. */
export async function schemaVersion(database: Database): Promise<number> {
  const [row] = await database.run(
    (sql) => sql<{ version: number }[]>`
      select coalesce(max(version), 0)::int as version from schema_migrations
    `,
  );
  return row?.version ?? 0;
}

async function createVersionTable(database: Database): Promise<void> {
  await runLocked(
    database,
    `create table if not exists schema_migrations (
       version int primary key,
       name text not null,
       applied_at timestamptz not null default clock_timestamp()
     );`,
  );
}

/** Does nothing when another process was faster. */
async function applyMigration(database: Database, migration: Migration): Promise<void> {
  const { version, name, statements } = migration;
  await runLocked(
    database,
    `do $migration$ begin
       if exists (select from schema_migrations where version = ${version}) then
         return;
       end if;
       -- On an empty database functions come before the tables that later versions add.
       set local check_function_bodies = off;
       execute $statements$ ${statements} $statements$;
       insert into schema_migrations (version, name) values (${version}, '${name}');
     end $migration$;`,
  );
}

/**
 * Runs DDL under the lock of all schema changes. The statements go as one simple query, which
 * Postgres runs as one transaction: all or nothing, and the lock ends with it.
 */
export async function runLocked(database: Database, statements: string): Promise<void> {
  await database.run(
    (sql) =>
      sql
        .unsafe(
          `select pg_advisory_xact_lock(hashtextextended('payload_stats_schema', 0));
           ${statements}`,
        )
        .simple(),
    deadlineMs,
  );
}
