/** A newer version of a projection is built beside the older one, which is read until then. */
import { expect, test } from "bun:test";
import { PostgresAdminQueries } from "../../src/store/adminQueries.ts";
import { registerProjection } from "../../src/store/prepare.ts";
import { PostgresProjectionControl } from "../../src/store/projectionControl.ts";
import type { ProjectionDefinition } from "../../src/store/projections/definition.ts";
import { until } from "../support/until.ts";
import { firstEndMs, freshStore, type TestStore, Writer, windowMs, windowOf } from "./support.ts";

/** Counts events: in version 1 one for one, in later ones with a weight in a column of its own. */
function counting(version: number): ProjectionDefinition {
  const weight = version === 1 ? "" : ", weight";
  return {
    name: "counted",
    version,
    columns: `one int not null, events bigint not null${version === 1 ? "" : ", weight int not null"}`,
    key: "one",
    values: `events${weight}`,
    indexes: { by_events: "events" },
    start: { ofRow: "'epoch'::timestamptz", ofEvent: "window_end" },
    apply: (table) => `
      insert into ${table} (one, events${weight})
      select 1, count(*)${version === 1 ? "" : `, ${version}`} from batch
      on conflict (one) do update set events = ${table}.events + excluded.events`,
  };
}

async function countedRows(store: TestStore) {
  const rows = await store.database.run((sql) => sql`select * from counted`);
  return rows.map((row) => ({ ...row }));
}

async function counted(store: TestStore) {
  const found = await new PostgresAdminQueries(store.database).projections();
  return found.find(({ name }) => name === "counted");
}

test("the old table is read and kept up to date until the new one is in its place", async () => {
  await using store = await freshStore(2);
  await registerProjection(store.database, counting(1));
  const writer = new Writer(store.partitions, 1);
  await writer.commit(windowOf(1, 30, firstEndMs));
  const old = store.project({ definitions: [counting(1)] });
  const done = async (events: bigint) => (await countedRows(store))[0]?.events === events;
  await until(() => done(30n), { what: "the old version has applied all" });

  await registerProjection(store.database, counting(2));
  const control = new PostgresProjectionControl(store.database);
  await control.pause("counted", "rebuild");
  store.project({ workerId: "new", definitions: [counting(2)], batchEventsMax: 4 });
  // The program of the older version lets go by itself.
  await writer.commit(windowOf(1, 10, firstEndMs + windowMs));
  await until(() => done(40n), { what: "the new program keeps the old table up to date" });
  expect(await countedRows(store)).toEqual([{ one: 1, events: 40n }]);
  expect(await counted(store)).toMatchObject({
    version: 1,
    rebuild: { kind: "upgrade", version: 2, phase: "paused" },
  });
  expect(await control.rebuild("counted")).toBe("conflict");
  expect(await control.cancel("counted")).toBe("conflict");

  await control.resume("counted", "rebuild");
  await until(async () => (await counted(store))?.version === 2, { what: "the swap" });
  expect(await countedRows(store)).toEqual([{ one: 1, events: 40n, weight: 2 }]);
  await writer.commit(windowOf(1, 5, firstEndMs + 2 * windowMs));
  await until(() => done(45n), { what: "the new table goes on" });
  await old.stop();
});

test("a program that is older than the table refuses to start, and says so", async () => {
  await using store = await freshStore(1);
  await registerProjection(store.database, counting(1));
  await registerProjection(store.database, counting(3));
  // Already while version 3 is built.
  await expect(registerProjection(store.database, counting(2))).rejects.toThrow(
    "projection counted has version 3, this program knows versions up to 2: run the newer program",
  );
  const projector = store.project({ definitions: [counting(3)] });
  await until(async () => (await counted(store))?.version === 3, { what: "the swap" });
  await projector.stop();
  await expect(registerProjection(store.database, counting(1))).rejects.toThrow("version 3");
});

test("a build of a version that was never finished gives way to a newer one", async () => {
  await using store = await freshStore(1);
  await registerProjection(store.database, counting(1));
  await new Writer(store.partitions, 0).commit(windowOf(0, 8, firstEndMs));
  await registerProjection(store.database, counting(2));
  await registerProjection(store.database, counting(3));
  expect(await counted(store)).toMatchObject({
    rebuild: { version: 3 },
    lastRebuild: { version: 2, outcome: "superseded" },
  });
  store.project({ definitions: [counting(3)] });
  await until(async () => (await counted(store))?.version === 3, { what: "the swap" });
  await until(async () => (await countedRows(store))[0]?.events === 8n, { what: "all" });
});
