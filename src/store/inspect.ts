/** What a check-up wants to know of Postgres. */
import type { Log } from "../log.ts";
import { Database } from "./database.ts";
import { schemaVersion } from "./migrate.ts";
import { fixedSettings, type Settings } from "./settings.ts";

export interface PostgresFacts {
  readonly version: string;
  /** Of the server, for example 18. */
  readonly major: number;
  /** Of the database; only UTF8 can be used. */
  readonly encoding: string;
  /** By the server's clock, epoch ms. */
  readonly clockMs: number;
  /** Settings without which a commit that was answered can be lost, and that are off. */
  readonly unsafe: readonly string[];
  /** Version of our tables; undefined before the first start. */
  readonly schemaVersion: number | undefined;
  /** What was fixed at the first start. */
  readonly settings: Settings | undefined;
}

const deadlineMs = 3_000;

/** @throws when it cannot be asked. */
export async function inspectPostgres(url: string, log: Log): Promise<PostgresFacts> {
  const database = new Database({
    url,
    applicationName: "payload-stats doctor",
    connectionsMax: 1,
    deadlineMs,
    log,
  });
  try {
    const [row] = await database.run(
      (sql) => sql<
        {
          version: string;
          number: string;
          encoding: string;
          clock: Date;
          unsafe: string[];
          migrated: boolean;
        }[]
      >`
        select current_setting('server_version') as version,
          current_setting('server_version_num') as number,
          current_setting('server_encoding') as encoding,
          clock_timestamp() as clock,
          (
            select coalesce(jsonb_agg(s.name || ' = ' || s.setting), '[]') from pg_settings s
            where s.name in ('fsync', 'full_page_writes', 'synchronous_commit')
              and s.setting = 'off'
          ) as unsafe,
          to_regclass('public.schema_migrations') is not null as migrated
      `,
    );
    if (row === undefined) throw new Error("Postgres answered nothing");
    return {
      version: row.version,
      major: Math.floor(Number(row.number) / 10_000),
      encoding: row.encoding,
      clockMs: row.clock.getTime(),
      unsafe: row.unsafe,
      schemaVersion: row.migrated ? await schemaVersion(database) : undefined,
      settings: await fixedSettings(database),
    };
  } finally {
    await database.close();
  }
}
