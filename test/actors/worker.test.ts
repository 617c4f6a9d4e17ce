import { expect, test } from "bun:test";
import { SimulatedProcess } from "../simulation/process.ts";
import { Scheduler } from "../simulation/scheduler.ts";
import { FakeLeases, FakeStore, startWorker } from "./fakes.ts";

test("no two owners of a partition have the same epoch", () => {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("worker", 1, scheduler, 0);
  const store = new FakeStore();
  // The first two owners fail; a commit of theirs could still be on its way.
  store.failingLoads = 2;
  const leases = new FakeLeases();
  const epochs: number[] = [];
  const serveActors = () => epochs.push(leases.epoch);
  const worker = startWorker({ clock, store, leases, serveActors });
  scheduler.run(30_000);
  expect(epochs).toEqual([1, 2, 3]);
  expect(worker.status.running).toBe(1);
});

test("owners whose actors cannot be served are held all the same, each of them", () => {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("worker", 1, scheduler, 0);
  const leases = new FakeLeases();
  const owned = [0, 1].map((partition) => ({ partition, epoch: 1 }));
  leases.renew = async () => ({ owned, surplus: 0 });
  const serveActors = () => {
    throw new Error("the connection has ended");
  };
  const worker = startWorker({ clock, store: new FakeStore(), leases, serveActors });
  scheduler.run(100);
  expect(worker.status).toMatchObject({ owned: 2, running: 2 });
  // So they end with the lease, and with the worker.
  void worker.stop();
  scheduler.run(200);
  expect(worker.status).toMatchObject({ owned: 0, running: 0 });
});
