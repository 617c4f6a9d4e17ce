/** What the database is told of a partition that could not be started. */
import { expect, test } from "bun:test";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { Worker } from "../../src/actors/worker.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { Scheduler } from "../simulation/scheduler.ts";
import { FakeLeases, FakeStore, FakeStreams, silentLog } from "./fakes.ts";

class NotingStore extends FakeStore {
  /** The reason that stands in the database. */
  stopped: string | undefined;

  override async markStopped(_partition: number, _epoch: number, reason: string | undefined) {
    this.stopped = reason;
  }
}

test("a partition that starts after all is not said to be stopped until its next commit", () => {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("worker", 1, scheduler, 0);
  const store = new NotingStore();
  store.failingLoads = 1;
  const worker = new Worker({
    identity: { id: "worker", host: "host", pid: 1 },
    leases: new FakeLeases(),
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
    serveActors: () => () => {},
    isDead: () => false,
  });
  worker.start();
  scheduler.run(500);
  expect(store.stopped).toBe("the store is away");
  scheduler.run(10_000);
  expect(worker.status).toMatchObject({ running: 1, stopped: [] });
  expect(store.stopped).toBeUndefined();
});
