/**
 * Compares the table of each projection with the fold of the events that it has applied.
 *
 * The events are applied to a temporary table by the projection's own statement, and the two
 * tables are joined in Postgres, so that nothing of a long log has to fit into memory. It all runs
 * in one transaction with one snapshot, sent as one query: the temporary table goes with it.
 */
import type { TableComparison, TableDifference } from "../actors/historyPorts.ts";
import { ceilTo } from "../domain/windows.ts";
import type { Database } from "./database.ts";
import type { ProjectionDefinition } from "./projections/definition.ts";
import { projections } from "./projections/registry.ts";

const differencesMax = 1_000;
/** A long log takes its time. */
const deadlineMs = 10 * 60 * 1_000;

/** The tables of all projections, over rows that begin within the range, or over all. */
export async function compareTables(
  database: Database,
  windowMs: number,
  { fromMs, toMs }: Partial<Range>,
): Promise<readonly TableComparison[]> {
  const range = {
    fromMs: fromMs && ceilTo(fromMs, windowMs),
    toMs: toMs && ceilTo(toMs, windowMs),
  };
  const compared: TableComparison[] = [];
  for (const definition of projections) {
    compared.push(await compareTable(database, definition, range));
  }
  return compared;
}

async function compareTable(
  database: Database,
  definition: ProjectionDefinition,
  range: Range,
): Promise<TableComparison> {
  const { name: table, version } = definition;
  const [live] = await database.run(
    (sql) => sql<{ version: number }[]>`select version from projections where name = ${table}`,
  );
  if (live?.version !== version) {
    const skipped = `the table has version ${live?.version}, this program knows version ${version}`;
    return { table, rows: 0, differences: [], differencesTotal: 0, skipped };
  }
  const results = await database.run(
    (sql) => sql.unsafe(comparison(definition, range)).simple(),
    deadlineMs,
  );
  return toComparison(table, lastRows(results));
}

/** Epoch ms. */
interface Range {
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}

/** Events that a table has not applied yet are no difference. */
function comparison(definition: ProjectionDefinition, range: Range): string {
  const { name, columns, key, values, start, apply } = definition;
  const keys = key.split(",").map((column) => column.trim());
  const [first = ""] = keys;
  const names = keys.map((column) => `'${column}'`).join(", ");
  const shown = (row: string) => `(
    select jsonb_object_agg(f.key, f.value)
    from jsonb_each_text(to_jsonb(${row}) - array[${names}]) as f
  )`;
  // Numbers: there is nothing in it to quote.
  const limits = JSON.stringify(range);
  const within = (start: string) => `within_limits('${limits}', null, null, ${start})`;
  return `
    set transaction isolation level repeatable read;
    create temporary table audit_fold (${columns}, primary key (${key})) on commit drop;
    with batch as (
      select * from (
        select e.partition, e.position, e.type, e.customer, e.content, e.window_end,
          event_data(e.type, e.version, e.data) as data, e.recorded_at
        from events e
        join projection_positions applied using (partition)
        where applied.projection = '${name}' and applied.build = 'live'
          and e.position <= applied.position
      ) as upcast
      where ${within(start.ofEvent)}
    ) ${apply("audit_fold")};
    with different as (
      select ${key}, expected, recorded, count(*) over () as audit_found
      from (select ${key}, ${values} from audit_fold) as expected
      full join (
        select ${key}, ${values} from ${name} where ${within(start.ofRow)}
      ) as recorded using (${key})
      where expected is distinct from recorded
      order by ${key}
      limit ${differencesMax}
    )
    select (select count(*) from audit_fold) as audit_rows, ${key}, audit_found,
      case when (recorded).${first} is not null then ${shown("recorded")} end as audit_recorded,
      case when (expected).${first} is not null then ${shown("expected")} end as audit_expected
    from (select) as one left join different on true
    order by ${key};`;
}

type Row = Readonly<Record<string, unknown>>;

/** The rows of the last of several statements. */
function lastRows(results: unknown): readonly Row[] {
  const last: unknown = Array.isArray(results) ? results.at(-1) : undefined;
  if (Array.isArray(last)) return last;
  throw new Error("Postgres gave no rows");
}

function toComparison(table: string, rows: readonly Row[]): TableComparison {
  const [first = {}] = rows;
  const differencesTotal = Number(first.audit_found ?? 0);
  const differences = differencesTotal === 0 ? [] : rows.map((row) => toDifference(table, row));
  const folded = Number(first.audit_rows ?? 0);
  return { table, rows: folded, differences, differencesTotal, skipped: null };
}

function toDifference(table: string, row: Row): TableDifference {
  const { audit_rows: _, audit_found: __, audit_recorded, audit_expected, ...key } = row;
  return {
    table,
    key: Object.fromEntries(Object.entries(key).map(([name, value]) => [name, keyText(value)])),
    recorded: toTexts(audit_recorded),
    expected: toTexts(audit_expected),
  };
}

function keyText(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}

function toTexts(value: unknown): Readonly<Record<string, string | null>> | null {
  if (typeof value !== "object" || value === null) return null;
  const texts = Object.entries(value).map(([name, text]) => [
    name,
    text === null ? null : String(text),
  ]);
  return Object.fromEntries(texts);
}
