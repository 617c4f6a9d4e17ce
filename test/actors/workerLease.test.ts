/** What a worker does when its lease runs out under it, or when an owner of it is slow to end. */
import { expect, test } from "bun:test";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import type { LeaseState, LeaseStore } from "../../src/actors/ports.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { Scheduler } from "../simulation/scheduler.ts";
import { FakeStore, leaseMs, startWorker } from "./fakes.ts";

/** Gives out two partitions, and answers as it is told. */
class FakeLeases implements LeaseStore {
  surplus = 0;
  /** How long a renewal takes; then it fails, like one that misses its deadline. */
  failsAfterMs: number | undefined;
  /** How long one takes that succeeds; then the partitions are under another epoch. */
  takesMs = 0;
  keepsAll = false;
  readonly renewedAtMs: number[] = [];
  readonly released: number[] = [];
  #epochs = [1, 1];

  constructor(private readonly process: SimulatedProcess) {}

  async renew(): Promise<LeaseState> {
    const { failsAfterMs } = this;
    if (failsAfterMs !== undefined) {
      await this.process.clock.sleep(failsAfterMs);
      throw new Error("Postgres did not answer");
    }
    if (this.takesMs > 0) {
      await this.process.clock.sleep(this.takesMs);
      this.takeOver();
    }
    this.renewedAtMs.push(this.process.clock.monotonic());
    const owned = this.#epochs.map((epoch, partition) => ({ partition, epoch }));
    const rest = owned.filter(({ partition }) => !this.released.includes(partition));
    return { owned: rest, surplus: Math.max(0, this.surplus - this.released.length) };
  }

  /** Another worker has the partitions for a moment. */
  takeOver(): void {
    this.#epochs = this.#epochs.map((epoch) => epoch + 1);
  }

  async release(_worker: unknown, partitions: readonly number[]): Promise<void> {
    if (this.keepsAll) throw new Error("a row is locked");
    this.released.push(...partitions);
  }

  async leave(): Promise<void> {}

  async forget(): Promise<void> {}

  async workers() {
    return [];
  }

  onChange() {
    return () => {};
  }
}

class SlowStore extends FakeStore {
  commitMs = 0;
  /** How many owners have begun. */
  loads = 0;

  constructor(private readonly process: SimulatedProcess) {
    super();
  }

  override async load() {
    this.loads++;
    const place = { streamCreated: "one", sequence: 8, messageTime: "original 8" };
    return { ...(await super.load()), ...place, state: emptyPartitionState };
  }

  override async commit() {
    await this.process.clock.sleep(this.commitMs);
    return super.commit();
  }
}

function runningWorker() {
  const scheduler = new Scheduler();
  const running = new SimulatedProcess("worker", 1, scheduler, 0);
  const leases = new FakeLeases(running);
  const store = new SlowStore(running);
  let served = 0;
  const worker = startWorker({
    ...{ clock: running.clock, store, leases },
    serveActors: () => served++,
    stopServing: () => served--,
  });
  scheduler.run(10_500);
  expect(worker.status).toMatchObject({ running: 2, trusted: true });
  return { scheduler, leases, store, worker, served: () => served };
}

test("owns nothing any more when its lease may be over, though a renewal is under way", () => {
  const { scheduler, leases, worker } = runningWorker();
  const lastMs = leases.renewedAtMs.at(-1) ?? 0;
  leases.failsAfterMs = leaseMs / 2;
  scheduler.run(lastMs + 0.75 * leaseMs);
  expect(worker.status.owned).toBe(2);
  scheduler.run(lastMs + 0.9 * leaseMs);
  expect(worker.status).toMatchObject({ owned: 0, trusted: false });
});

test("keeps its lease when one renewal gets no answer", () => {
  const { scheduler, leases, store, worker } = runningWorker();
  const { loads } = store;
  const lastMs = leases.renewedAtMs.at(-1) ?? 0;
  leases.failsAfterMs = 0.45 * leaseMs;
  scheduler.run(lastMs + 0.6 * leaseMs);
  leases.failsAfterMs = undefined;
  scheduler.run(lastMs + 2 * leaseMs);
  expect(worker.status).toMatchObject({ running: 2, trusted: true });
  expect(store.loads).toBe(loads);
});

test("keeps its lease and the other partitions while an owner is slow to end", () => {
  const { scheduler, leases, store, worker } = runningWorker();
  store.commitMs = 3 * leaseMs;
  leases.surplus = 1;
  const startMs = scheduler.nowMs;
  scheduler.run(startMs + 2 * leaseMs);
  const renewed = leases.renewedAtMs.filter((atMs) => atMs > startMs);
  expect(renewed.length).toBeGreaterThanOrEqual(9);
  expect(worker.status).toMatchObject({ owned: 1, running: 1, trusted: true });
  expect(leases.released).toEqual([]);
  scheduler.run(startMs + 4 * leaseMs);
  expect(leases.released).toEqual([0]);
  expect(worker.status).toMatchObject({ owned: 1, running: 1, trusted: true });
});

test("serves the actors of a partition no more that it gives back", () => {
  const { scheduler, leases, served } = runningWorker();
  expect(served()).toBe(2);
  leases.surplus = 1;
  scheduler.run(scheduler.nowMs + leaseMs);
  expect(leases.released).toEqual([0]);
  expect(served()).toBe(1);
});

test("begins anew what is under another epoch", () => {
  const { scheduler, leases, store, worker, served } = runningWorker();
  const { loads } = store;
  leases.takeOver();
  scheduler.run(scheduler.nowMs + leaseMs / 2);
  expect(store.loads).toBe(loads + 2);
  expect(worker.status).toMatchObject({ running: 2, trusted: true });
  expect(served()).toBe(2);
});

test("begins nothing on an answer that comes when the lease may be over", () => {
  const { scheduler, leases, store, worker } = runningWorker();
  const { loads } = store;
  leases.takesMs = 0.9 * leaseMs;
  scheduler.run(scheduler.nowMs + 4 * leaseMs);
  expect(worker.status).toMatchObject({ owned: 0, running: 0, trusted: false });
  expect(store.loads).toBe(loads);
  leases.takesMs = 0;
  scheduler.run(scheduler.nowMs + 2 * leaseMs);
  expect(worker.status.trusted).toBe(true);
});

test("asks no sooner than usual when a partition could not be released", () => {
  const { scheduler, leases } = runningWorker();
  leases.keepsAll = true;
  leases.surplus = 1;
  const startMs = scheduler.nowMs;
  scheduler.run(startMs + 2 * leaseMs);
  const renewed = leases.renewedAtMs.filter((atMs) => atMs > startMs);
  expect(renewed.length).toBeLessThanOrEqual(11);
});
