import { expect, test } from "bun:test";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { Worker } from "../../src/actors/worker.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { Scheduler } from "../simulation/scheduler.ts";
import { FakeLeases, FakeStore, FakeStreams, silentLog } from "./fakes.ts";

test("no two owners of a partition have the same epoch", () => {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("worker", 1, scheduler, 0);
  const store = new FakeStore();
  // The first two owners fail; a commit of theirs could still be on its way.
  store.failingLoads = 2;
  const leases = new FakeLeases();
  const epochs: number[] = [];
  const worker = new Worker({
    identity: { id: "worker", host: "host", pid: 1 },
    leases,
    leaseMs: 5_000,
    owner: {
      streams: new FakeStreams("one", 0),
      store,
      clock,
      log: silentLog,
      rules: { windowMs: 300_000, sessionMemoryMs: 600_000 },
      rawRetentionMs: 0,
      turns: new SlicedTurns(clock),
    },
    serveActors: () => {
      epochs.push(leases.epoch);
      return () => {};
    },
    isDead: () => false,
  });
  worker.start();
  scheduler.run(30_000);
  expect(epochs).toEqual([1, 2, 3]);
  expect(worker.status.running).toBe(1);
});
