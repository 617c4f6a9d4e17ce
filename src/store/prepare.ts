/** Makes a database ready for this program. Safe when several processes start at once. */
import type { Database } from "./database.ts";
import { migrate, runLocked } from "./migrate.ts";
import { createIndexes, createTable, type ProjectionDefinition } from "./projections/definition.ts";
import { projections } from "./projections/registry.ts";
import { ensureSettings, type Settings } from "./settings.ts";

/**
 * Migrates, fixes the settings at the first start, and registers the projections.
 * @throws DatabaseTooNew, SettingsMismatch
 */
export async function prepareDatabase(database: Database, settings: Settings): Promise<void> {
  await migrate(database);
  await ensureSettings(database, settings);
  for (const definition of projections) await registerProjection(database, definition);
}

/**
 * Creates the projection's table and positions at its first start; later it only checks.
 * @throws when the table was made by another version of the projection.
 */
export async function registerProjection(
  database: Database,
  definition: ProjectionDefinition,
): Promise<void> {
  const { name, version } = definition;
  await runLocked(
    database,
    `do $register$ begin
       if not exists (select from projections where name = '${name}') then
         ${createTable(definition, name)}
         ${createIndexes(definition, name)}
         insert into projections (name, version) values ('${name}', ${version});
       end if;
       insert into projection_positions (projection, build, partition)
       select '${name}', 'live', partition from partitions on conflict do nothing;
     end $register$;`,
  );
  const registered = await registeredVersion(database, name);
  if (registered !== version) {
    throw new Error(
      `the table of projection ${name} has version ${registered}, this program writes version ` +
        `${version}: run the program that it was made with`,
    );
  }
}

async function registeredVersion(database: Database, name: string): Promise<number | undefined> {
  const [row] = await database.run(
    (sql) => sql<{ version: number }[]>`select version from projections where name = ${name}`,
  );
  return row?.version;
}
