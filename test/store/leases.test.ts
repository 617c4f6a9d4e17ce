import { expect, test } from "bun:test";
import type { LeaseState } from "../../src/actors/ports.ts";
import { PostgresLeaseStore } from "../../src/store/leases.ts";
import { holdProjection, projectionsChannel } from "../../src/store/projectionState.ts";
import { sessions } from "../../src/store/projections/sessions.ts";
import { stats } from "../../src/store/projections/stats.ts";
import { until } from "../support/until.ts";
import { freshStore, type TestStore, Writer } from "./support.ts";

const leaseMs = 60_000;

function worker(id: string) {
  return { id, host: `host-${id}`, pid: 1 };
}

function leasesOf(store: TestStore): PostgresLeaseStore {
  return new PostgresLeaseStore(store.database);
}

function partitionsOf({ owned }: LeaseState): number[] {
  return owned.map(({ partition }) => partition);
}

/** Makes the lease of a worker end, as if it had been silent for long. */
async function expire(store: TestStore, id: string): Promise<void> {
  await store.database.run(
    (sql) => sql`
      update workers set lease_until = clock_timestamp() - interval '1 second' where id = ${id}
    `,
  );
}

test("the first worker takes all partitions, under the first epoch", async () => {
  await using store = await freshStore(4);
  const state = await leasesOf(store).renew(worker("a"), leaseMs);
  expect(state).toEqual({
    owned: [0, 1, 2, 3].map((partition) => ({ partition, epoch: 1 })),
    surplus: 0,
  });
  expect(await leasesOf(store).renew(worker("a"), leaseMs)).toEqual(state);
});

test("workers come to even shares by giving up their surplus, and nothing else moves", async () => {
  await using store = await freshStore(16);
  const leases = leasesOf(store);
  const workers = ["a", "b", "c"].map(worker);
  const owned = new Map<string, number[]>();
  for (let round = 0; round < 4; round += 1) {
    for (const each of workers.slice(0, round + 1)) {
      const state = await leases.renew(each, leaseMs);
      await leases.release(each, partitionsOf(state).slice(0, state.surplus));
      owned.set(each.id, partitionsOf(state).slice(state.surplus));
    }
  }
  for (const each of workers) {
    const state = await leases.renew(each, leaseMs);
    expect(state.surplus).toBe(0);
    owned.set(each.id, partitionsOf(state));
  }
  expect([...owned.values()].map(({ length }) => length)).toEqual([6, 5, 5]);
  expect([...owned.values()].flat().toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 16 }, (_, partition) => partition),
  );
});

test("a worker alive keeps what it has, however many join", async () => {
  await using store = await freshStore(4);
  const leases = leasesOf(store);
  await leases.renew(worker("m"), leaseMs);
  for (const id of ["a", "z"]) {
    expect(await leases.renew(worker(id), leaseMs)).toEqual({ owned: [], surplus: 0 });
  }
  const state = await leases.renew(worker("m"), leaseMs);
  expect(state.owned).toHaveLength(4);
  expect(state.surplus).toBe(3);
});

test("what a silent worker owned is taken over under a later epoch, and it is fenced", async () => {
  await using store = await freshStore(2);
  const leases = leasesOf(store);
  await leases.renew(worker("a"), leaseMs);
  const late = new Writer(store.partitions, 0);
  late.epoch = 1;
  expect(await late.commit([])).toBe("committed");

  await expire(store, "a");
  const taken = await leases.renew(worker("b"), leaseMs);
  expect(taken.owned).toEqual([
    { partition: 0, epoch: 2 },
    { partition: 1, epoch: 2 },
  ]);
  expect(await late.commit([])).toBe("fenced");
  // It comes back, and owns nothing any more.
  expect(await leases.renew(worker("a"), leaseMs)).toEqual({ owned: [], surplus: 0 });
});

test("a silent worker whom nobody relieved goes on under its epoch", async () => {
  await using store = await freshStore(1);
  const leases = leasesOf(store);
  const before = await leases.renew(worker("a"), leaseMs);
  await expire(store, "a");
  expect(await leases.workers()).toEqual([]);
  expect(await leases.renew(worker("a"), leaseMs)).toEqual(before);
});

test("release gives back only what the worker owns", async () => {
  await using store = await freshStore(2);
  const leases = leasesOf(store);
  await leases.renew(worker("a"), leaseMs);
  await leases.release(worker("b"), [0, 1]);
  await leases.release(worker("a"), []);
  expect((await leases.renew(worker("a"), leaseMs)).owned).toHaveLength(2);
  await leases.release(worker("a"), [1]);
  expect(await leases.renew(worker("b"), leaseMs)).toEqual({
    owned: [{ partition: 1, epoch: 2 }],
    surplus: 0,
  });
});

test("leave and forget free the partitions at once, and tell the others", async () => {
  await using store = await freshStore(2);
  const leases = leasesOf(store);
  let calls = 0;
  const stop = leases.onChange(() => {
    calls += 1;
  });
  await until(() => calls > 0, { what: "it listens" });
  for (const end of [() => leases.leave(worker("a")), () => leases.forget(["a", "ghost"])]) {
    await leases.renew(worker("a"), leaseMs);
    expect(await leases.workers()).toEqual([worker("a")]);
    const before = calls;
    await end();
    await until(() => calls > before, { what: "the change is told" });
    expect(await leases.workers()).toEqual([]);
    expect((await leases.renew(worker("b"), leaseMs)).owned).toHaveLength(2);
    await leases.leave(worker("b"));
  }
  stop();
});

test("forget frees the projections of dead processes at once, and no others", async () => {
  await using store = await freshStore(1);
  const hold = async (definition: typeof stats, id: string) =>
    (await holdProjection(store.database, definition, id, leaseMs)) !== undefined;
  expect(await hold(stats, "dead")).toBe(true);
  expect(await hold(sessions, "alive")).toBe(true);
  let calls = 0;
  const stop = store.database.listen(projectionsChannel, () => {
    calls += 1;
  });
  await until(() => calls > 0, { what: "it listens" });
  const before = calls;
  expect(await hold(stats, "next")).toBe(false);
  await leasesOf(store).forget(["dead"]);
  await until(() => calls > before, { what: "the projectors are told" });
  expect(await hold(stats, "next")).toBe(true);
  expect(await hold(sessions, "next")).toBe(false);
  stop();
});

test("a partition whose row is locked by a commit is taken at the next renewal", async () => {
  await using store = await freshStore(2);
  const leases = leasesOf(store);
  const commit = store.connect(1).run(
    (sql) => sql`
      select pg_sleep(0.3) from (select from partitions where partition = 0 for update) as locked
    `,
  );
  await until(
    async () => {
      const locked = await store.database.run(
        (sql) => sql`select from partitions where partition = 0 for update skip locked`,
      );
      return locked.length === 0;
    },
    { what: "the row is locked" },
  );
  expect(partitionsOf(await leases.renew(worker("a"), leaseMs))).toEqual([1]);
  await commit;
  expect(partitionsOf(await leases.renew(worker("a"), leaseMs))).toEqual([0, 1]);
});

test("no partition has two owners when many workers renew at once", async () => {
  await using store = await freshStore(256);
  const leases = new PostgresLeaseStore(store.connect(8));
  const workers = Array.from({ length: 8 }, (_, index) => worker(`w${index}`));
  const epochs = new Map<number, number>();
  for (let round = 0; round < 25; round += 1) {
    // All have been silent, so that each finds partitions free that another is just taking.
    await Promise.all(workers.map(({ id }) => expire(store, id)));
    const states = await Promise.all(workers.map((each) => leases.renew(each, leaseMs)));
    const all = states.flatMap(partitionsOf);
    expect(new Set(all).size).toBe(all.length);
    for (const { partition, epoch } of states.flatMap(({ owned }) => owned)) {
      expect(epoch).toBeGreaterThanOrEqual(epochs.get(partition) ?? 0);
      epochs.set(partition, epoch);
    }
    const surplus = states.map((state) => partitionsOf(state).slice(0, state.surplus));
    await Promise.all(workers.map((each, index) => leases.release(each, surplus[index] ?? [])));
  }
  expect(epochs.size).toBe(256);
}, 30_000);
