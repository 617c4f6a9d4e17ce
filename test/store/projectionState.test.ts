/** The statements of projections, driven by hand to where only locks keep them right. */
import { describe, expect, test } from "bun:test";
import type { Database } from "../../src/store/database.ts";
import { registerProjection } from "../../src/store/prepare.ts";
import { PostgresProjectionControl } from "../../src/store/projectionControl.ts";
import { applyToLive, applyToRebuild } from "../../src/store/projectionState.ts";
import type { ProjectionDefinition } from "../../src/store/projections/definition.ts";
import {
  compareRebuild,
  indexRebuild,
  prepareRebuild,
  swapRebuild,
} from "../../src/store/rebuildSteps.ts";
import { until } from "../support/until.ts";
import { firstEndMs, freshStore, Writer, windowMs, windowOf } from "./support.ts";

/** Counts events: the sum shows at once when an event is applied twice or not at all. */
function counting(sleepSeconds: (table: string) => number): ProjectionDefinition {
  return {
    name: "counted",
    version: 1,
    columns: "one int not null, events bigint not null",
    key: "one",
    values: "events",
    indexes: { by_events: "events" },
    start: { ofRow: "'epoch'::timestamptz", ofEvent: "window_end" },
    apply: (table) => `
      insert into ${table} (one, events)
      select 1, count(*) from batch, pg_sleep(${sleepSeconds(table)})
      on conflict (one) do update set events = ${table}.events + excluded.events`,
  };
}

const quick = counting(() => 0);
const slowRebuild = counting((table) => (table.endsWith("_rebuild") ? 0.5 : 0));

async function counted(database: Database): Promise<number> {
  const rows = await database.run((sql) => sql<{ events: bigint }[]>`select events from counted`);
  return Number(rows[0]?.events ?? 0n);
}

function step(
  database: Database,
  definition: ProjectionDefinition,
  build: "live" | "rebuild",
  max = 1_000,
) {
  const held = { version: 1, liveApply: null };
  return build === "live"
    ? applyToLive(database, definition, held, max)
    : applyToRebuild(database, definition, max);
}

test("any number of steps at once apply each event once", async () => {
  await using store = await freshStore(4);
  await registerProjection(store.database, quick);
  const writers = [0, 1, 2, 3].map((partition) => new Writer(store.partitions, partition));
  const workers = Array.from({ length: 4 }, () => store.connect(1));
  for (let window = 0; window < 10; window += 1) {
    const endMs = firstEndMs + window * windowMs;
    await Promise.all([
      ...writers.map((writer) => writer.commit(windowOf(writer.partition, 50, endMs))),
      ...workers.map((database) => step(database, quick, "live", 37)),
    ]);
    await Promise.all(workers.map((database) => step(database, quick, "live", 37)));
  }
  await until(async () => (await step(store.database, quick, "live")).behind === 0n, {
    what: "all is applied",
  });
  await step(store.database, quick, "live");
  expect(await counted(store.database)).toBe(2_000);
});

describe("a swap", () => {
  test("applies what is missing, unless that is more than a batch", async () => {
    await using store = await freshStore(2);
    const { database } = store;
    await registerProjection(database, quick);
    await new Writer(store.partitions, 1).commit(windowOf(1, 100, firstEndMs));
    await step(database, quick, "live");
    const swap = (eventsMax: number) => swapRebuild(database, quick, eventsMax, 5_000);
    expect(await swap(1_000)).toBe("none");

    await new PostgresProjectionControl(database).rebuild("counted");
    await prepareRebuild(database, quick);
    await prepareRebuild(database, quick);
    await indexRebuild(database, quick);
    expect(await step(database, quick, "rebuild", 20)).toEqual({ applied: 20n, behind: 80n });
    expect(await swap(80)).toBe("different");
    const compare = (eventsMax: number) => compareRebuild(database, quick, eventsMax);
    expect(await compare(40)).toBe("behind");
    expect(await compare(40)).toBe("compared");
    const writer = new Writer(store.partitions, 0);
    await writer.commit(windowOf(0, 80, firstEndMs));
    await step(database, quick, "live");
    expect(await swap(79)).toBe("behind");
    expect(await counted(database)).toBe(180);
    // What comes after the live position is not the swap's: the live build applies it later.
    await writer.commit(windowOf(0, 10, firstEndMs + windowMs));
    expect(await swap(80)).toBe("swapped");
    expect(await counted(database)).toBe(180);
    await step(database, quick, "live");
    expect(await counted(database)).toBe(190);
    expect(await swap(1_000)).toBe("none");
  });

  test("holds up the live build, so that no event is lost with the old table", async () => {
    await using store = await freshStore(1);
    await registerProjection(store.database, slowRebuild);
    const writer = new Writer(store.partitions, 0);
    await writer.commit(windowOf(0, 10, firstEndMs));
    await step(store.database, slowRebuild, "live");
    await new PostgresProjectionControl(store.database).rebuild("counted");
    await prepareRebuild(store.database, slowRebuild);
    await indexRebuild(store.database, slowRebuild);
    await new PostgresProjectionControl(store.database).acceptDifferences("counted");

    const swapping = store.connect(1, "swapping");
    const swapped = swapRebuild(swapping, slowRebuild, 1_000, 5_000);
    const isAsleep = () =>
      store.database.run(
        (sql) => sql`
          select from pg_stat_activity
          where application_name = 'swapping' and wait_event = 'PgSleep'
        `,
      );
    await until(async () => (await isAsleep()).length > 0, { what: "the swap applies events" });
    await writer.commit(windowOf(0, 5, firstEndMs + windowMs));
    await step(store.database, slowRebuild, "live");
    expect(await swapped).toBe("swapped");
    expect(await counted(store.database)).toBe(15);
  });
});
