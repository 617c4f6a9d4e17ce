/**
 * How fast is a rebuild of each projection, with the comparison and the swap, while payloads
 * arrive and its table is read all the time? It is compared with one bare INSERT … SELECT: the
 * projection's own statement over the whole event log at once, into a table with the same indexes.
 * A read that finds rows missing ends the benchmark. The curve is that of `stats` by events.
 */
import { projections } from "../src/store/projections/registry.ts";
import type { TestProcess } from "../test/support/process.ts";
import { note, rounds, runBench } from "./support/bench.ts";
import { openSql, reach, type Sql } from "./support/counted.ts";
import { askForRebuild, caughtUp, disturb, filledSite, isSwapped } from "./support/rebuilding.ts";
import { report } from "./support/report.ts";

const sizes = (Bun.env.BENCH_EVENTS ?? "10000,100000,1000000").split(",").map(Number);

/** The compared statement of each projection. */
const bareStatements = new Map(
  projections.map(({ name, apply, insert = apply }) => [
    name,
    `with batch as (select * from events) ${insert("bare")}`,
  ]),
);

/** Seconds, one of each for every round. */
interface Seconds {
  readonly own: number[];
  readonly bare: number[];
  readonly longestReadMs: number[];
}

async function bareInsert(sql: Sql, name: string): Promise<number> {
  await sql.unsafe(`create table bare (like ${name} including all)`);
  const start = performance.now();
  await sql.unsafe(bareStatements.get(name) ?? "");
  const seconds = (performance.now() - start) / 1_000;
  await sql.unsafe("drop table bare");
  return seconds;
}

async function rebuild(sql: Sql, process: TestProcess, name: string): Promise<number> {
  const start = performance.now();
  await askForRebuild(process, name);
  await reach(`the rebuild of ${name}`, () => isSwapped(sql), 10);
  return (performance.now() - start) / 1_000;
}

/** Every projection in turn, the bare statement and the rebuild one after the other. */
async function measure(events: number): Promise<Map<string, Seconds>> {
  const process = await (await filledSite(events)).start();
  const [sql, readers] = [openSql(process.databaseUrl), openSql(process.databaseUrl)];
  await reach("the first builds", () => caughtUp(sql));
  await sql.unsafe("vacuum analyze");
  const found = new Map<string, Seconds>();
  for (let round = 0; round < rounds; round++) {
    for (const { name } of projections) {
      const seconds = found.get(name) ?? { own: [], bare: [], longestReadMs: [] };
      found.set(name, seconds);
      seconds.bare.push(await bareInsert(sql, name));
      const stop = disturb(process, readers, name);
      seconds.own.push(await rebuild(sql, process, name));
      seconds.longestReadMs.push(await stop());
      const [own, bare] = [seconds.own.at(-1), seconds.bare.at(-1)];
      note(`${events} events, ${name}: ${own?.toFixed(2)} s, bare ${bare?.toFixed(2)} s`);
    }
  }
  await Promise.all([sql.end(), readers.end()]);
  await process.stop();
  return found;
}

await runBench(async () => {
  const bySize = new Map<number, Map<string, Seconds>>();
  for (const events of sizes) bySize.set(events, await measure(events));
  const largest = Math.max(...sizes);
  const rows = [...(bySize.get(largest) ?? [])].flatMap(([name, { own, bare, longestReadMs }]) => {
    const rates = (all: readonly number[]) => all.map((seconds) => largest / seconds);
    const against = { what: "one INSERT … SELECT", values: rates(bare) };
    const target = { of: "ratio" as const, atLeast: 0.5 };
    return [
      { what: `rebuild of ${name}`, unit: "events/s", values: rates(own), against, target },
      { what: `longest read of ${name} meanwhile`, unit: "ms", values: longestReadMs },
    ];
  });
  const points = sizes.map((events) => [events, bySize.get(events)?.get("stats")?.own ?? []]);
  await report("rebuild", "How fast is a rebuild of a projection?", rows, {
    events: largest,
    bare: Object.fromEntries(bareStatements),
    curve: { x: "events", y: "seconds", points },
  });
});
