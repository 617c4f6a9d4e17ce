/** What the database is told of a partition that could not be started. */
import { expect, test } from "bun:test";
import { PartitionHalted, type PartitionStop } from "../../src/actors/ports.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { Scheduler } from "../simulation/scheduler.ts";
import { FakeLeases, FakeStore, FakeStreams, startWorker } from "./fakes.ts";

class NotingStore extends FakeStore {
  /** What stands in the database. */
  stopped: PartitionStop | undefined;
  takesBack = true;
  goesOn = false;
  /** How often it was asked to take the reason back. */
  takenBack = 0;

  override async load() {
    return { ...(await super.load()), isStopped: this.stopped !== undefined };
  }

  override async markStopped(_partition: number, _epoch: number, stop: PartitionStop | undefined) {
    if (stop === undefined) this.takenBack++;
    if (stop === undefined && !this.takesBack) throw new Error("the store is away");
    this.stopped = stop;
    this.goesOn = false;
  }

  override async markGoingOn() {
    this.goesOn = true;
  }
}

/** A worker whose owner fails at its first start. */
function workerOn(store: NotingStore) {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("worker", 1, scheduler, 0);
  store.failingLoads = 1;
  const worker = startWorker({ clock, store, leases: new FakeLeases() });
  scheduler.run(500);
  expect(store.stopped).toEqual({ reason: "the store is away", isHalted: false });
  return { scheduler, worker };
}

test("a partition that starts after all is not said to be stopped until its next commit", () => {
  const store = new NotingStore();
  const { scheduler, worker } = workerOn(store);
  scheduler.run(10_000);
  expect(worker.status).toMatchObject({ running: 1, stopped: [] });
  expect(store.stopped).toBeUndefined();
});

test("that it runs is said once a renewal, until it is noted", () => {
  const store = new NotingStore();
  store.takesBack = false;
  const { scheduler } = workerOn(store);
  scheduler.run(20_000);
  expect(store.takenBack).toBeWithin(3, 22);
  store.takesBack = true;
  scheduler.run(22_000);
  expect(store.stopped).toBeUndefined();
});

test("a partition that was halted and is read again is said to go on, with the reason", () => {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("worker", 1, scheduler, 0);
  const store = new NotingStore();
  const streams = new FakeStreams("one", 8);
  const feed = streams.feed.bind(streams);
  let halts = true;
  streams.feed = (partition, from, verify) => ({
    ...feed(partition, from, verify),
    ...(halts && { next: () => Promise.reject(new PartitionHalted("replicas disagree")) }),
  });
  const worker = startWorker({ clock, store, streams, leases: new FakeLeases() });
  scheduler.run(1_000);
  expect(store.stopped).toEqual({ reason: "replicas disagree", isHalted: true });
  halts = false;
  scheduler.run(20_000);
  expect(worker.status).toMatchObject({ running: 1, stopped: [] });
  expect(store.stopped?.reason).toBe("replicas disagree");
  expect(store.goesOn).toBe(true);
});

test("another worker that reads a halted partition says so too, once", () => {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("worker", 1, scheduler, 0);
  const store = new NotingStore();
  store.stopped = { reason: "the stream was made anew", isHalted: true };
  let noted = 0;
  store.markGoingOn = async () => {
    noted++;
  };
  startWorker({ clock, store, leases: new FakeLeases() });
  scheduler.run(20_000);
  expect(noted).toBe(1);
});
