/** What is fixed at the first start of a database, since its events depend on it. */
import { formatDuration } from "../domain/duration.ts";
import type { Database } from "./database.ts";

export interface Settings {
  readonly windowMs: number;
  readonly partitions: number;
}

/** One setting that differs. */
interface Difference {
  readonly variable: "WINDOW" | "PARTITIONS";
  readonly configured: string;
  readonly fixed: string;
}

/** The configuration differs from what the database was started with. Says all of it at once. */
export class SettingsMismatch extends Error {
  constructor(differences: readonly Difference[]) {
    const configured = differences.map((one) => `${one.variable} is ${one.configured}`);
    const fixed = differences.map((one) => `${one.variable}=${one.fixed}`).join(" ");
    const values = differences.length === 1 ? "value" : "values";
    super(
      `${configured.join(" and ")}, but this database was started with ${fixed}, ` +
        `and its events depend on that. Either set ${fixed}, or start with a new ` +
        `database (and a new DATA_DIR or NATS) to use the other ${values}`,
    );
  }
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
  const differences: Difference[] = [];
  if (fixed.windowMs !== settings.windowMs) {
    const configured = formatDuration(settings.windowMs);
    differences.push({ variable: "WINDOW", configured, fixed: formatDuration(fixed.windowMs) });
  }
  if (fixed.partitions !== settings.partitions) {
    const configured = String(settings.partitions);
    differences.push({ variable: "PARTITIONS", configured, fixed: String(fixed.partitions) });
  }
  if (differences.length > 0) throw new SettingsMismatch(differences);
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
