/**
 * The statements by which a table is built beside the live one, compared with it, and put in its
 * place. Each is atomic by itself, and does nothing when its step was done already.
 */
import type { Database } from "./database.ts";
import { stepDeadlineMs } from "./projectionState.ts";
import {
  createIndexes,
  createTable,
  type ProjectionDefinition,
  rebuildTable,
  swapTables,
} from "./projections/definition.ts";

/** Examples of each kind of difference that a report names. */
const examplesMax = 20;
/** Of what reads or writes a whole table. */
const tableDeadlineMs = 8 * 60_000;

/** Makes the table that a rebuild fills, and its positions at the beginning of the log. */
export async function prepareRebuild(
  database: Database,
  definition: ProjectionDefinition,
): Promise<void> {
  const { name, version } = definition;
  const table = rebuildTable(definition);
  const create = `drop table if exists ${table}; ${createTable(definition, table)}`;
  await database.run((sql) => sql`select prepare_rebuild(${name}, ${version}, ${create})`);
}

/**
 * Makes the further indexes of the rebuilt table: in one go, which is faster than row by row.
 * Does nothing when another projector has swapped the tables meanwhile. The lock holds up a swap,
 * but not the lease.
 */
export async function indexRebuild(
  database: Database,
  definition: ProjectionDefinition,
): Promise<void> {
  const { name, version } = definition;
  const table = rebuildTable(definition);
  const indexes = `${createIndexes(definition, table)} analyze ${table};`;
  await database.run(
    (sql) =>
      sql
        .unsafe(
          `do $index$ begin
             perform from rebuilds
             where projection = '${name}' and version = ${version} and ended_at is null
               and prepared and not indexed
             for no key update;
             if found then
               ${indexes}
               update rebuilds set indexed = true
               where projection = '${name}' and ended_at is null;
             end if;
           end $index$;`,
        )
        .simple(),
    tableDeadlineMs,
  );
}

type ComparisonOutcome = "compared" | "behind" | "none";

/** Compares the rebuilt table with the live one: see the function `compare_rebuild`. */
export async function compareRebuild(
  database: Database,
  definition: ProjectionDefinition,
  eventsMax: number,
): Promise<ComparisonOutcome | undefined> {
  const { name, version, start } = definition;
  const apply = definition.apply(rebuildTable(definition));
  const [row] = await database.run(
    (sql) => sql<{ outcome: ComparisonOutcome }[]>`
      select compare_rebuild(
        ${name}, ${version}, ${apply}, ${start.ofEvent}, ${start.ofRow}, ${eventsMax},
        ${examplesMax}
      ) as outcome
    `,
    tableDeadlineMs,
  );
  return row?.outcome;
}

type SwapOutcome = "swapped" | "behind" | "none" | "different" | "blocked";

/**
 * Puts the rebuilt table in the place of the live one: see the function `swap_rebuild`.
 * @param eventsMax how many events may still be missing.
 * @param lockMs how long readers may be held up, when they in turn hold up the swap.
 */
export async function swapRebuild(
  database: Database,
  definition: ProjectionDefinition,
  eventsMax: number,
  lockMs: number,
): Promise<SwapOutcome | undefined> {
  const { name, version, start } = definition;
  const [row] = await database.run(
    (sql) => sql<{ outcome: SwapOutcome }[]>`
      select swap_rebuild(
        ${name}, ${version}, ${definition.apply(rebuildTable(definition))}, ${start.ofEvent},
        ${eventsMax}, ${definition.apply(name)}, ${swapTables(definition)}, ${lockMs}
      ) as outcome
    `,
    stepDeadlineMs,
  );
  return row?.outcome;
}

/** Ends a build that is not to be swapped in, and drops its table. */
export async function dropRebuild(
  database: Database,
  name: string,
  outcome: "cancelled" | "verified",
): Promise<void> {
  await database.run((sql) => sql`select drop_rebuild(${name}, ${outcome})`, stepDeadlineMs);
}

/** Notes what keeps a build from going on, for whoever looks at it; undefined: nothing does. */
export async function noteProblem(
  database: Database,
  name: string,
  problem: string | undefined,
): Promise<void> {
  await database.run(
    (sql) => sql`
      update rebuilds set problem = ${problem ?? null}
      where projection = ${name} and ended_at is null
        and problem is distinct from ${problem ?? null}::text
    `,
  );
}
