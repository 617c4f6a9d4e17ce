import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { CommitRejected, type Turns } from "../../src/actors/ports.ts";
import { atOnce } from "../../src/domain/pausing.ts";
import { isRejection } from "../../src/store/eventLog.ts";
import { HeavyStatements } from "../../src/store/heavyStatements.ts";
import { PostgresPartitionStore } from "../../src/store/partitions.ts";
import {
  firstEndMs,
  freshStore,
  holdPartition,
  sealed,
  type TestStore,
  Writer,
  windowOf,
} from "./support.ts";

const int64Max = 9_223_372_036_854_775_807n;

function eventRows(store: TestStore) {
  return store.database.run(
    (sql) => sql<{ partition: number; position: bigint; customer: string; content: string }[]>`
      select partition, position, customer, content from events order by partition, position
    `,
  );
}

describe("the event log is append-only", () => {
  let store: TestStore;
  beforeAll(async () => {
    store = await freshStore(1);
    await new Writer(store.partitions, 0).commit([sealed()]);
  }, 60_000);
  afterAll(() => store[Symbol.asyncDispose]());

  const attacks = [
    "update events set data = '{}'",
    "update events set data = '{}' where false",
    "delete from events",
    "delete from events where position = 1",
    "truncate events",
    "truncate events, quarantine cascade",
    `insert into events (partition, position, type, version, data, epoch, sealed_by)
       values (0, 1, 'x', 1, '{}', 0, '')
       on conflict (partition, position) do update set data = '{}'`,
    "merge into events e using (select 1 as one) s on e.partition = 0 when matched then delete",
    "set session_replication_role = replica; delete from events",
    "set session_replication_role = replica; truncate events",
  ];
  for (const attack of attacks) {
    test(`refuses: ${attack.split("\n")[0]}`, async () => {
      const attacked = store.database.run((sql) => sql.unsafe(attack).simple());
      await expect(attacked).rejects.toThrow("the event log is append-only");
      expect(await eventRows(store)).toHaveLength(1);
    });
  }
});

describe("a commit", () => {
  test("writes the checkpoint, which load returns", async () => {
    await using store = await freshStore(1);
    expect(await store.partitions.load(0)).toEqual({
      streamCreated: "",
      sequence: 0,
      messageTime: "",
      position: 0,
      sealedThroughMs: 0,
      state: undefined,
      isStopped: false,
    });
    const writer = new Writer(store.partitions, 0);
    const state = { open: [{ customer: 'a"\\b', bytes: "9223372036854775807" }], nested: [null] };
    expect(await writer.commit([sealed()], { sequence: 41, state })).toBe("committed");
    expect(await store.partitions.load(0)).toEqual({ ...writer.last, isStopped: false });
    expect(writer.last).toMatchObject({ sequence: 41, position: 1, state });
  });

  test("of another epoch is fenced, and leaves nothing", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    await writer.commit([sealed()]);
    for (const epoch of [1, -1]) {
      writer.epoch = epoch;
      expect(await writer.commit([sealed({ content: "other" })])).toBe("fenced");
    }
    expect(await eventRows(store)).toHaveLength(1);
    expect(await store.partitions.load(0)).toEqual({ ...writer.last, isStopped: false });
  });

  test("that does not follow the checkpoint is a conflict, and leaves nothing", async () => {
    await using store = await freshStore(1);
    const first = new Writer(store.partitions, 0);
    const second = new Writer(store.partitions, 0);
    expect(await first.commit([], { sequence: 5 })).toBe("committed");
    expect(await second.commit([sealed()])).toBe("conflict");
    expect(await eventRows(store)).toHaveLength(0);
    expect(await store.partitions.load(0)).toEqual({ ...first.last, isStopped: false });
  });

  test("that expects the right sequence but another position is a conflict", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    await writer.commit([sealed()]);
    const outcome = store.partitions.commit({
      partition: 0,
      epoch: 0,
      owner: "worker-1",
      expectedSequence: writer.last.sequence,
      expectedPosition: 0,
      checkpoint: { ...writer.last, sequence: 9, position: 0 },
      events: [],
      quarantined: [],
    });
    expect(await outcome).toBe("conflict");
  });

  test("repeated is a conflict, and load shows that it was written", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    const repeated = new Writer(store.partitions, 0);
    await writer.commit([sealed()]);
    expect(await repeated.commit([sealed()])).toBe("conflict");
    const { sequence, position } = await store.partitions.load(0);
    expect({ sequence, position }).toEqual({ sequence: 1, position: 1 });
  });

  test("with one event that cannot be inserted leaves nothing", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    await writer.commit([sealed()]);
    const quarantined = [{ sequence: 2, index: 0, reason: "odd", found: "x" }];
    const again = writer.commit([sealed({ content: "new" }), sealed()], {}, quarantined);
    await expect(again).rejects.toThrow("events_window_sealed_once");
    expect(await eventRows(store)).toHaveLength(1);
    expect(await store.partitions.load(0)).toEqual({ ...writer.last, isStopped: false });
    expect(await store.database.run((sql) => sql`select from quarantine`)).toHaveLength(0);
  });

  test("whose position does not fit its events throws before it is sent", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    await expect(writer.commit([sealed()], { position: 2 })).rejects.toThrow("do not end at");
  });

  test("keeps int64 sums and hostile names as they are", async () => {
    await using store = await freshStore(1);
    const names = [
      "a.b.*.>",
      "x'); drop table events; --",
      "🎬 \u202Eright-to-left\u202C",
      "__proto__",
      "%2F/../",
      "€".repeat(170),
      " spaces ",
      '{"json": "\\u0041"}',
    ];
    const events = names.map((customer) =>
      sealed({ customer, content: customer, cdn: int64Max, p2p: int64Max }),
    );
    await new Writer(store.partitions, 0).commit(events);
    const rows = await eventRows(store);
    expect(rows.map(({ customer }) => customer)).toEqual(names);
    expect(rows.map(({ content }) => content)).toEqual(names);
    store.project();
    await store.projected();
    const [stats] = await store.database.run(
      (sql) => sql`select cdn, p2p from stats where customer = ${names[1] ?? ""}`,
    );
    expect(stats).toEqual({ cdn: int64Max, p2p: int64Max });
  });

  test("that is large waits for another large one, and a small one for none", async () => {
    await using store = await freshStore(3);
    const heavy = new HeavyStatements(undefined, 60_000);
    const partitions = new PostgresPartitionStore(store.database, undefined, undefined, heavy);
    const [first, second, small] = [0, 1, 2].map((n) => new Writer(partitions, n));
    const ended: string[] = [];
    const commitLarge = async (writer: Writer | undefined, name: string) => {
      const outcome = await writer?.commit(windowOf(writer.partition, 600, firstEndMs));
      ended.push(`${name} ${outcome}`);
    };
    const release = await holdPartition(store.url, 0);
    const larges = [commitLarge(first, "first"), commitLarge(second, "second")];
    try {
      // As long as the second would take, if it did not wait.
      for (let i = 0; i < 50; i++) expect(await small?.commit([])).toBe("committed");
    } finally {
      await release();
      await Promise.all(larges);
    }
    expect(ended).toEqual(["first committed", "second committed"]);
  });

  test("has its events made text before others get their turn", async () => {
    await using store = await freshStore(1);
    const turns: Turns = {
      run: () => Promise.reject(new Error("others come first")),
      runNext: async (work) => atOnce(work),
    };
    const partitions = new PostgresPartitionStore(store.database, undefined, turns);
    expect(await new Writer(partitions, 0).commit([sealed()])).toBe("committed");
  });

  test("that is more than Postgres can hold is not tried again", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    // Random, since what can be compressed fits into the index.
    const customer = Buffer.from(crypto.getRandomValues(new Uint8Array(6_000))).toString("base64");
    const commit = writer.commit([sealed({ customer })]);
    await expect(commit).rejects.toThrow("index row size");
    await expect(commit).rejects.toBeInstanceOf(CommitRejected);
    // A limit of the whole server passes, and comes with the same code.
    const error = (routine: string) => Object.assign(new Error(), { code: "54000", routine });
    expect(isRejection(error("_bt_check_third_page"))).toBe(true);
    expect(isRejection(error("GetNewTransactionId"))).toBe(false);
  });

  test("quarantines whatever text, and the same place once", async () => {
    await using store = await freshStore(1);
    const writer = new Writer(store.partitions, 0);
    const found = 'NUL \0, lone surrogate \ud800, quote ", backslash \\';
    const odd = { sequence: 7, index: -1, reason: "bad \0", found };
    expect(await writer.commit([], {}, [odd])).toBe("committed");
    expect(await writer.commit([], {}, [odd])).toBe("committed");
    const rows = await store.database.run(
      (sql) => sql`select index, reason, found from quarantine`,
    );
    expect([...rows]).toEqual([
      {
        index: -1,
        reason: "bad \uFFFD",
        found: 'NUL \uFFFD, lone surrogate \uFFFD, quote ", backslash \\',
      },
    ]);
  });
});

test("positions have no gaps under concurrent committers, also of one partition", async () => {
  await using store = await freshStore(4);
  // Two writers for each partition: the slower of a pair starts anew from the checkpoint.
  const writers = [0, 1, 2, 3, 0, 1, 2, 3].map(async (partition, number) => {
    for (let round = 0; round < 20; round += 1) {
      const before = await store.partitions.load(partition);
      const events = windowOf(partition, 3, 300_000 * (1 + round)).map((event) => ({
        ...event,
        customer: `writer-${number}`,
      }));
      await store.partitions.commit({
        partition,
        epoch: 0,
        owner: `worker-${number}`,
        expectedSequence: before.sequence,
        expectedPosition: before.position,
        checkpoint: { ...before, sequence: before.sequence + 1, position: before.position + 3 },
        events,
        quarantined: [],
      });
    }
  });
  await Promise.all(writers);
  const rows = await eventRows(store);
  for (const partition of [0, 1, 2, 3]) {
    const positions = rows.filter((row) => row.partition === partition).map((row) => row.position);
    expect(positions).toEqual(positions.map((_, index) => BigInt(index + 1)));
    expect((await store.partitions.load(partition)).position).toBe(positions.length);
    expect(positions.length).toBeGreaterThanOrEqual(60);
  }
});
