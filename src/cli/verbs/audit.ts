import type { Command } from "commander";
import type { TableComparison } from "../../actors/historyPorts.ts";
import {
  type AuditRange,
  auditPartition,
  type EventDifference,
  type PartitionAudit,
} from "../../replay/audit.ts";
import { dependsOnMemory } from "../../replay/memories.ts";
import { ofPartitions } from "../../replay/tableDifferences.ts";
import { compareTables } from "../../store/tableAudit.ts";
import { withPast } from "../direct.ts";
import { CliFailure } from "../failure.ts";
import type { Column, Output } from "../output.ts";
import type { CliSettings } from "../settings.ts";
import { checkRange, time } from "../times.ts";
import { contextOf, count, example } from "../verb.ts";

interface AuditOptions {
  readonly from?: number;
  readonly to?: number;
  readonly partition?: readonly number[];
}

export function addAuditVerb(program: Command, settings: CliSettings): void {
  program
    .command("audit")
    .description("run the retained payloads again; compare every event, and the tables with them")
    .option("--from <time>", "windows that start at or after", time)
    .option("--to <time>", "windows that start before", time)
    .option("--partition <number>", "only this one; may be repeated", collect)
    .addHelpText("after", example("audit --from 2026-01-31T10:00:00Z"))
    .action(async (options: AuditOptions, command: Command) => {
      const { out } = contextOf(command);
      checkRange(command, options);
      const { partitions, tables } = await withPast(settings.env, async ({ past, database }) => {
        const range: AuditRange = { fromMs: options.from, toMs: options.to };
        const chosen = chosenPartitions(options.partition, past.rules.partitions);
        const audits: PartitionAudit[] = [];
        for (const partition of chosen) {
          const progress = progressOn(out, partition);
          audits.push(await auditPartition(past, partition, range, progress));
        }
        const compared = await compareTables(database, past.rules.windowMs, range);
        const tables = compared.map((one) => ofPartitions(one, chosen, past.rules.partitions));
        return { partitions: audits, tables };
      });
      report(out, partitions, tables);
    });
}

function collect(text: string, before: readonly number[] = []): readonly number[] {
  return [...before, count(text)];
}

function chosenPartitions(asked: readonly number[] | undefined, partitions: number) {
  const unknown = asked?.find((partition) => partition >= partitions);
  if (unknown !== undefined) {
    throw new CliFailure(`there are the partitions 0 to ${partitions - 1}`, 2);
  }
  return asked === undefined ? everyPartition(partitions) : [...new Set(asked)];
}

function everyPartition(partitions: number): readonly number[] {
  return Array.from({ length: partitions }, (_, partition) => partition);
}

function progressOn(out: Output, partition: number): (messages: number, of: number) => void {
  return (messages, of) =>
    out.progress(() => {
      const [read, all] = [messages, of].map((count) => count.toLocaleString("en"));
      return `partition ${partition}: ${read} of ${all} messages`;
    });
}

const beginning = new Date(0).toISOString();

const partitionColumns: readonly Column[] = [
  ["PARTITION", "partition"],
  ["BASIS", (row) => row.basisKind],
  ["WINDOWS AFTER", ({ after }) => (after === beginning ? "the beginning" : after)],
  ["THROUGH", "through"],
  ["MESSAGES", "messages"],
  ["PAYLOADS", "payloads"],
  ["EVENTS", "events"],
  ["DIFFERENCES", (row) => row.found],
];

/** Rows that the events give, and how many of the table are others. */
const tableColumns: readonly Column[] = [
  ["TABLE", "table"],
  ["ROWS", "rows"],
  ["DIFFERENCES", "differencesTotal"],
];

const differenceColumns: readonly Column[] = [
  ["EVENT", "kind"],
  ["PARTITION", "partition"],
  ["POSITION", "position"],
  ["WINDOW END", "windowEnd"],
  ["CUSTOMER", "customer"],
  ["CONTENT", "content"],
  ["FIELDS", "fields"],
];

const rowColumns: readonly Column[] = [
  ["TABLE", "table"],
  ["ROW", "key"],
  ["RECORDED", "recorded"],
  ["EXPECTED", "expected"],
];

function report(
  out: Output,
  partitions: readonly PartitionAudit[],
  tables: readonly TableComparison[],
): void {
  const events = partitions.flatMap(({ differences }) => differences);
  const rows = tables.flatMap(({ differences }) => differences);
  const found = [...partitions, ...tables].reduce((sum, one) => sum + one.differencesTotal, 0);
  out.either({ agrees: found === 0, partitions, tables }, () => {
    const lines = partitions.map(({ basis, differencesTotal, ...rest }) => {
      return { ...rest, basisKind: basis.kind, found: differencesTotal };
    });
    out.rows(partitions, lines, partitionColumns);
    const counts = tables.map(({ table, rows, differencesTotal }) => {
      return { table, rows, differencesTotal };
    });
    out.rows(tables, counts, tableColumns);
    if (events.length > 0) out.rows(events, events.map(eventLine), differenceColumns);
    if (rows.length > 0)
      out.rows(
        rows,
        rows.map((row) => ({ ...row })),
        rowColumns,
      );
  });
  for (const { table, skipped } of tables) {
    if (skipped !== null) out.note(`${table} was not compared: ${skipped}`);
  }
  noteMemories(out, partitions);
  const unread = partitions.filter(({ through }) => through === null);
  if (unread.length > 0) {
    const names = unread.map(({ partition }) => partition).join(", ");
    out.note(`no sealed window of these partitions is retained whole: ${names}`);
  }
  if (found === 0) return;
  const memory = events.some(isOfMemory)
    ? ". Where sessions and tokens alone differ, SESSION_MEMORY may not be what it was"
    : "";
  throw new CliFailure(`${found} differences${memory}`);
}

/** Sessions were counted differently from some window on: worth to know for whoever reads them. */
function noteMemories(out: Output, partitions: readonly PartitionAudit[]): void {
  for (const { partition, sessionMemory } of partitions) {
    if (sessionMemory.length < 2) continue;
    const values = sessionMemory.map(({ value }) => value).join(", then ");
    const from = sessionMemory.slice(1).map((one) => one.from);
    out.note(`partition ${partition}: SESSION_MEMORY was ${values}, from ${from.join(", ")} on`);
  }
}

function eventLine({ fields, ...rest }: EventDifference) {
  const texts = fields.map(
    ({ field, recorded, expected }) => `${field} ${recorded ?? "-"}, not ${expected ?? "-"}`,
  );
  return { ...rest, fields: texts.join("; ") };
}

/** True when an event differs in what depends on the memory of tokens, and in nothing else. */
function isOfMemory({ fields }: EventDifference): boolean {
  return fields.length > 0 && fields.every(dependsOnMemory);
}
