/** What is fixed at the first start of a database, since its events depend on it. */
import { formatDuration } from "../domain/duration.ts";
import type { Database } from "./database.ts";

export interface Settings {
  readonly windowMs: number;
  readonly partitions: number;
}

/** The configuration differs from what the database was started with. */
export class SettingsMismatch extends Error {
  constructor(
    variable: "WINDOW" | "PARTITIONS",
    readonly configured: string,
    readonly fixed: string,
  ) {
    super(
      `${variable} is ${configured}, but this database was started with ${variable}=${fixed}, ` +
        `and its events depend on that. Either set ${variable}=${fixed}, or start with a new ` +
        "database (and a new DATA_DIR or NATS) to use the other value",
    );
  }
}

/**
 * Fixes the settings at the first start, and makes the rows of the partitions.
 * @throws SettingsMismatch when others are fixed already.
 */
export async function ensureSettings(database: Database, settings: Settings): Promise<void> {
  const fixed = new Map(
    (await fixSettings(database, settings)).map(({ name, value }) => [name, Number(value)]),
  );
  const windowMs = fixed.get("window_ms") ?? Number.NaN;
  const partitions = fixed.get("partitions") ?? Number.NaN;
  if (windowMs !== settings.windowMs) {
    const configured = formatDuration(settings.windowMs);
    throw new SettingsMismatch("WINDOW", configured, formatDuration(windowMs));
  }
  if (partitions !== settings.partitions) {
    throw new SettingsMismatch("PARTITIONS", String(settings.partitions), String(partitions));
  }
}

/** What holds in this database; undefined before its first start. */
export async function fixedSettings(database: Database): Promise<Settings | undefined> {
  const [row] = await database.run(
    (sql) => sql<{ prepared: boolean }[]>`
      select to_regclass('public.settings') is not null as prepared
    `,
  );
  if (row?.prepared !== true) return undefined;
  const rows = await database.run(
    (sql) => sql<{ name: string; value: string }[]>`select name, value from settings`,
  );
  const fixed = new Map(rows.map(({ name, value }) => [name, Number(value)]));
  const windowMs = fixed.get("window_ms");
  const partitions = fixed.get("partitions");
  return windowMs === undefined || partitions === undefined ? undefined : { windowMs, partitions };
}

/** Writes the settings unless there are some, and returns those that hold. */
function fixSettings(database: Database, { windowMs, partitions }: Settings) {
  return database.run(
    (sql) => sql<{ name: string; value: string }[]>`
      select name, value from ensure_settings(${windowMs}, ${partitions})
    `,
  );
}
