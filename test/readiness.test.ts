/** What readiness says in words. */
import { expect, test } from "bun:test";
import { PartitionHalted } from "../src/actors/ports.ts";
import { readinessOf } from "../src/readiness.ts";

test("a stopped partition is named once, with its reason", async () => {
  const { message: reason } = new PartitionHalted(2, "the stream was made anew");
  const health = {
    partitions: 4,
    unowned: [],
    stopped: [{ partition: 2, reason }],
    late: [],
    projections: [],
  };
  const checks = await readinessOf({
    health: { health: async () => health },
    config: { windowMs: 300_000, leaseMs: 5_000 },
    link: { connected: true },
    ledger: { check: { name: "ledger", ok: true, detail: "balanced" } },
    worker: undefined,
    publicServers: undefined,
  })();
  expect(checks.find(({ name }) => name === "partitions")).toEqual({
    name: "partitions",
    ok: false,
    detail: "2 is stopped: the stream was made anew",
  });
});
