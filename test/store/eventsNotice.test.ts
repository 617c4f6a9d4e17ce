/** What projectors are told of, and how often. */
import { expect, test } from "bun:test";
import { eventsChannel } from "../../src/store/eventsNotice.ts";
import { until } from "../support/until.ts";
import { firstEndMs, freshStore, Writer, windowMs, windowOf } from "./support.ts";

test("boundaries are told of, with and without events, and checkpoints between them are not", async () => {
  await using store = await freshStore(8);
  let told = 0;
  const unlisten = store.database.listen(eventsChannel, () => told++);
  // Once for the listener, since it may have missed some.
  await until(() => told === 1, { what: "the listener to be connected" });
  const tells = async (expected: number, commit: () => Promise<unknown>) => {
    const before = told;
    await commit();
    // What was sent before this one is heard before it.
    await store.database.run((sql) => sql`select pg_notify(${eventsChannel}, 'last')`);
    await until(() => told > before + expected, { what: "what was told of to be heard" });
    expect(told).toBe(before + expected + 1);
  };
  const [writer, ...others] = Array.from({ length: 8 }, (_, i) => new Writer(store.partitions, i));
  if (writer === undefined) throw new Error("there is no writer");
  await tells(1, () => writer.commit(windowOf(0, 3, firstEndMs)));
  await tells(0, () => writer.commit([]));
  await tells(1, () => writer.commit([], { sealedThroughMs: firstEndMs + windowMs }));
  // Those that come while one is being told are told together.
  const before = told;
  await Promise.all(
    others.map((other) => other.commit(windowOf(other.partition, 3, firstEndMs + windowMs))),
  );
  await until(() => told > before, { what: "the others to be heard" });
  expect(told - before).toBeLessThan(others.length);
  unlisten();
});
