import { type Command, Option } from "commander";
import type { Sums } from "../../actors/whatIfPorts.ts";
import { formatDuration } from "../../domain/duration.ts";
import { type WhatIfResult, whatIf } from "../../replay/whatIf.ts";
import { PostgresWhatIfStore } from "../../store/whatIf.ts";
import { confirm } from "../confirm.ts";
import { withPast } from "../direct.ts";
import { CliFailure } from "../failure.ts";
import type { Column, Output } from "../output.ts";
import type { CliSettings } from "../settings.ts";
import { checkRange, duration, time, windowLength } from "../times.ts";
import { contextOf, example, ordinal, yesOption } from "../verb.ts";

interface WhatIfOptions {
  readonly window?: number;
  readonly from?: number;
  readonly to?: number;
  readonly countTokenOnce?: boolean;
  readonly sessionMemory?: number;
  readonly limit?: number;
  readonly list?: boolean;
  readonly drop?: string;
  readonly yes?: boolean;
}

/** Options that say how to run it. */
const runOptions = ["window", "countTokenOnce", "sessionMemory", "from", "to", "limit"];
const pairsDefault = 20;

export function addWhatIfVerb(program: Command, settings: CliSettings): void {
  program
    .command("what-if")
    .description("the retained payloads under other rules, into a table of its own, beside today's")
    .option("--window <duration>", "length of windows (by default as it is)", windowLength)
    .option("--count-token-once", "a token starts one session, whatever its bytes")
    .option("--session-memory <duration>", "how long tokens are remembered", duration)
    .option("--from <time>", "windows that start at or after", time)
    .option("--to <time>", "windows that start before", time)
    .option("--limit <number>", "sums to show at most, those that differ first", ordinal)
    .addOption(new Option("--list", "list the tables of earlier runs").conflicts(runOptions))
    .addOption(new Option("--drop <table>", "drop one of them").conflicts([...runOptions, "list"]))
    .addOption(yesOption())
    .addHelpText("after", example("what-if --window 1m --from 2026-01-31T10:00:00Z"))
    .action(async (options: WhatIfOptions, command: Command) => {
      const { out } = contextOf(command);
      checkRange(command, options);
      await withPast(settings.env, async ({ past, database }) => {
        const store = new PostgresWhatIfStore(database);
        if (options.list === true) return await list(out, store);
        if (options.drop !== undefined)
          return await drop(out, store, options.drop, options.yes === true);
        const windowMs = options.window ?? past.rules.windowMs;
        const sessionMemoryMs = options.sessionMemory ?? past.rules.sessionMemoryMs;
        if (sessionMemoryMs < 2 * windowMs) {
          throw new CliFailure("SESSION_MEMORY must be at least two of these windows", 2);
        }
        const query = {
          windowMs,
          countTokenOnce: options.countTokenOnce === true,
          sessionMemoryMs,
          fromMs: options.from,
          toMs: options.to,
          limit: options.limit ?? pairsDefault,
        };
        const result = await whatIf(past, store, query, progressOn(out));
        if ("reason" in result) throw new CliFailure(result.reason);
        show(out, result);
      });
    });
}

async function list(out: Output, store: PostgresWhatIfStore): Promise<void> {
  const tables = (await store.list()).map(({ table, rows, about, isComplete }) => ({
    table,
    rows,
    complete: isComplete,
    window: formatDuration(about.windowMs),
    countTokenOnce: about.countTokenOnce,
    sessionMemory: formatDuration(about.sessionMemoryMs),
    from: new Date(about.fromMs).toISOString(),
    to: new Date(about.toMs).toISOString(),
  }));
  out.rows({ tables }, tables, [
    ["TABLE", "table"],
    ["ROWS", "rows"],
    ["COMPLETE", "complete"],
    ["WINDOW", "window"],
    ["TOKEN ONCE", "countTokenOnce"],
    ["MEMORY", "sessionMemory"],
    ["FROM", "from"],
    ["TO", "to"],
  ]);
}

async function drop(
  out: Output,
  store: PostgresWhatIfStore,
  table: string,
  yes: boolean,
): Promise<void> {
  const found = (await store.list()).find((one) => one.table === table);
  if (found === undefined) throw new CliFailure("there is no such table: see --list");
  await confirm(`The ${found.rows} rows of ${table} will be gone.`, yes);
  await store.drop(table);
  out.note(`${table} is dropped`);
}

function progressOn(out: Output): (partition: number, messages: number) => void {
  return (partition, messages) =>
    out.progress(() => `partition ${partition}: ${messages.toLocaleString("en")} messages so far`);
}

const pairColumns: readonly Column[] = [
  ["TIME", "time"],
  ["CUSTOMER", "customer"],
  ["CONTENT", "content"],
  ["CDN", "cdn"],
  ["TODAY", "cdnToday"],
  ["P2P", "p2p"],
  ["TODAY", "p2pToday"],
  ["SESSIONS", "sessions"],
  ["TODAY", "sessionsToday"],
];

function show(out: Output, { comparison, bucketMs, ...result }: WhatIfResult): void {
  const { buckets, bytesEqual, sessionsEqual } = comparison;
  const pairs = comparison.pairs.map(({ whatIf: under, today, ...name }) => {
    return { ...name, ...besides(under, today) };
  });
  const bucket = formatDuration(bucketMs);
  const totals = besides(comparison.whatIf, comparison.today);
  const body = { ...result, bucket, buckets, bytesEqual, sessionsEqual, totals, pairs };
  out.either(body, () => {
    if (pairs.length > 0) out.rows(body, pairs, pairColumns);
    out.record({ ...result, bucket, buckets, bytesEqual, sessionsEqual, ...totals });
  });
  if (result.compared === null) {
    out.note(
      `No whole bucket of ${bucket} lies within these windows, so nothing was compared with ` +
        "today. A wider range would.",
    );
  }
  if (result.memoryChanged) {
    out.note(
      "SESSION_MEMORY was changed within these windows, so today's sessions were counted under " +
        "several, and those of this run under one. audit says when.",
    );
  }
  if (result.tablesBehind) {
    out.note("stats or sessions is behind, so later windows were left out: see projection ls.");
  }
  out.note(`The rows are in the table ${result.table}. what-if --drop ${result.table} removes it.`);
}

/** Sums under the other rules, and today's beside them, as text. */
function besides(under: Sums, today: Sums) {
  return {
    cdn: under.cdn.toString(),
    cdnToday: today.cdn.toString(),
    p2p: under.p2p.toString(),
    p2pToday: today.p2p.toString(),
    sessions: under.sessions.toString(),
    sessionsToday: today.sessions.toString(),
  };
}
