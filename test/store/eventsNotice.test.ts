/** What projectors are told of, and how often. */
import { expect, test } from "bun:test";
import { EventsNotice, eventsChannel } from "../../src/store/eventsNotice.ts";
import { until } from "../support/until.ts";
import { firstEndMs, freshStore, Writer, windowMs, windowOf } from "./support.ts";

test("boundaries are told of, with and without events, and checkpoints between them are not", async () => {
  await using store = await freshStore(1);
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
  const writer = new Writer(store.partitions, 0);
  await tells(1, () => writer.commit(windowOf(0, 3, firstEndMs)));
  await tells(0, () => writer.commit([]));
  await tells(1, () => writer.commit([], { sealedThroughMs: firstEndMs + windowMs }));
  unlisten();
});

test("what is committed while one is told is told by the next one, also after a failure", async () => {
  const sent: PromiseWithResolvers<void>[] = [];
  const send = () => {
    const one = Promise.withResolvers<void>();
    sent.push(one);
    return one.promise;
  };
  const notice = new EventsNotice(send);
  const commit = (partition: number) => {
    const place = { streamCreated: "", sequence: 1, messageTime: "", position: 0 };
    notice.committed({
      ...{ partition, epoch: 0, owner: "", expectedSequence: 0, expectedPosition: 0 },
      ...{ checkpoint: { ...place, sealedThroughMs: 1, state: {} }, events: [], quarantined: [] },
    });
  };
  for (let partition = 0; partition < 8; partition++) commit(partition);
  expect(sent).toHaveLength(1);
  sent[0]?.reject(new Error("Postgres is away"));
  await until(() => sent.length === 2, { what: "the others to be told of" });
  commit(8);
  sent[1]?.resolve();
  await until(() => sent.length === 3, { what: "the last one to be told of" });
});
