/** What readiness asks the database. */
import { expect, test } from "bun:test";
import { PostgresHealth } from "../../src/store/health.ts";
import { freshStore, Writer, windowMs } from "./support.ts";

const hourMs = 3_600_000;

test("partitions that are sealed through a time to come are ahead", async () => {
  await using store = await freshStore(3);
  const [soon, later] = [0, 2].map((partition) => new Writer(store.partitions, partition));
  const nowMs = Date.now();
  await soon?.commit([], { sealedThroughMs: nowMs });
  await later?.commit([], { sealedThroughMs: nowMs + hourMs });
  const { ahead } = await new PostgresHealth(store.database, windowMs).health(hourMs);
  expect(ahead).toEqual([{ partition: 2, sealedThroughMs: nowMs + hourMs }]);
});
