/** What is fixed at the first start of a database, since its events depend on it. */
import { formatDuration } from "../domain/duration.ts";
import type { Database } from "./database.ts";

export interface Settings {
  readonly windowMs: number;
  readonly partitions: number;
}

/** One setting that differs. */
export interface SettingDifference {
  readonly variable: "WINDOW" | "PARTITIONS";
  readonly configured: string;
  readonly fixed: string;
}

/** The configuration differs from what the database was started with. Says all of it at once. */
export class SettingsMismatch extends Error {
  constructor(differences: readonly SettingDifference[]) {
    const { configured, fixed } = inWords(differences);
    const values = differences.length === 1 ? "value" : "values";
    super(
      `${configured}, but this database was started with ${fixed}, ` +
        `and its events depend on that. Either set ${fixed}, or start with a new ` +
        `database (and a new DATA_DIR or NATS) to use the other ${values}`,
    );
  }
}

/** As `WINDOW is 1m and PARTITIONS is 4` and `WINDOW=5m PARTITIONS=16`. */
export function inWords(differences: readonly SettingDifference[]) {
  return {
    configured: differences.map((one) => `${one.variable} is ${one.configured}`).join(" and "),
    fixed: differences.map((one) => `${one.variable}=${one.fixed}`).join(" "),
  };
}

/**
 * Fixes the settings at the first start, and makes the rows of the partitions.
 * @throws SettingsMismatch when others are fixed already.
 */
export async function ensureSettings(database: Database, settings: Settings): Promise<void> {
  const rows = await database.run(
    (sql) => sql<SettingRow[]>`
      select name, value from ensure_settings(${settings.windowMs}, ${settings.partitions})
    `,
  );
  checkEqual(settings, toSettings(rows));
}

/** Fixes nothing. @throws SettingsMismatch when others are fixed already. */
export async function checkSettings(database: Database, settings: Settings): Promise<void> {
  checkEqual(settings, await fixedSettings(database));
}

/** @throws SettingsMismatch */
export function checkEqual(settings: Settings, fixed: Settings = settings): void {
  const differences = settingsDifferences(settings, fixed);
  if (differences.length > 0) throw new SettingsMismatch(differences);
}

/** Settings that are not configured do not differ. */
export function settingsDifferences(
  configured: Partial<Settings>,
  fixed: Settings,
): readonly SettingDifference[] {
  const { windowMs = fixed.windowMs, partitions = fixed.partitions } = configured;
  const window: SettingDifference = {
    variable: "WINDOW",
    configured: formatDuration(windowMs),
    fixed: formatDuration(fixed.windowMs),
  };
  const count: SettingDifference = {
    variable: "PARTITIONS",
    configured: String(partitions),
    fixed: String(fixed.partitions),
  };
  return [window, count].filter(({ configured, fixed }) => configured !== fixed);
}

/** What holds in this database; undefined before its first start. */
export async function fixedSettings(database: Database): Promise<Settings | undefined> {
  const [row] = await database.run(
    (sql) => sql<{ prepared: boolean }[]>`
      select to_regclass('public.settings') is not null as prepared
    `,
  );
  if (row?.prepared !== true) return undefined;
  const rows = await database.run((sql) => sql<SettingRow[]>`select name, value from settings`);
  return toSettings(rows);
}

interface SettingRow {
  readonly name: string;
  readonly value: string;
}

/** Undefined when nothing is fixed. */
function toSettings(rows: readonly SettingRow[]): Settings | undefined {
  const fixed = new Map(rows.map(({ name, value }) => [name, Number(value)]));
  const windowMs = fixed.get("window_ms");
  const partitions = fixed.get("partitions");
  return windowMs === undefined || partitions === undefined ? undefined : { windowMs, partitions };
}
