/** Makes a database ready for this program. Safe when several processes start at once. */
import { errorCode } from "../errorCode.ts";
import { type Database, TakesNoWrites } from "./database.ts";
import { migrate, runLocked } from "./migrate.ts";
import { createIndexes, createTable, type ProjectionDefinition } from "./projections/definition.ts";
import { projections } from "./projections/registry.ts";
import { ensureSettings, type Settings } from "./settings.ts";

/**
 * Migrates, fixes the settings at the first start, and registers the projections.
 * @throws DatabaseTooNew, DatabaseTooOld, SettingsMismatch, ProjectionTooNew, TakesNoWrites
 */
export async function prepareDatabase(database: Database, settings: Settings): Promise<void> {
  try {
    await migrate(database);
    await ensureSettings(database, settings);
    for (const definition of projections) await registerProjection(database, definition);
  } catch (error) {
    throw errorCode(error) === "25006" ? new TakesNoWrites({ cause: error }) : error;
  }
}

/**
 * Creates the projection's table and positions at its first start: the log's events are applied
 * to it from the first one on. When the table is of an older version, a build of the newer one is
 * asked for; until it has caught up, the older table is read and kept up to date.
 * @throws ProjectionTooNew
 */
export async function registerProjection(
  database: Database,
  definition: ProjectionDefinition,
): Promise<void> {
  const { name, version } = definition;
  const apply = `$apply$${definition.apply(name)}$apply$`;
  await runLocked(
    database,
    `do $register$ declare
       v_version int;
     begin
       select version into v_version from projections where name = '${name}';
       if v_version is null then
         ${createTable(definition, name)}
         ${createIndexes(definition, name)}
         insert into projections (name, version, live_apply)
         values ('${name}', ${version}, ${apply});
       elsif v_version = ${version} then
         update projections set live_apply = ${apply}
         where name = '${name}' and live_apply is distinct from ${apply};
       elsif v_version < ${version} then
         update rebuilds set ended_at = clock_timestamp(), outcome = 'superseded'
         where projection = '${name}' and ended_at is null and version < ${version};
         insert into rebuilds (projection, kind, version) values ('${name}', 'upgrade', ${version})
         on conflict do nothing;
       end if;
       insert into projection_positions (projection, build, partition)
       select '${name}', 'live', partition from partitions on conflict do nothing;
     end $register$;`,
  );
  const found = await newestVersion(database, name);
  if (found > version) throw new ProjectionTooNew(name, found, version);
}

/** The table of a projection was made, or is being made, by a newer version of the program. */
class ProjectionTooNew extends Error {
  constructor(name: string, found: number, known: number) {
    super(
      `the table of projection ${name} has version ${found}, this program knows versions up to ` +
        `${known}: run the newer program`,
    );
  }
}

/** The version of the live table, or that of the one that is being built. */
async function newestVersion(database: Database, name: string): Promise<number> {
  const [row] = await database.run(
    (sql) => sql<{ version: number }[]>`
      select greatest(version, (
        select version from rebuilds where projection = name and ended_at is null
      )) as version
      from projections where name = ${name}
    `,
  );
  return row?.version ?? 0;
}
