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

test("a thread that takes payloads without a broker turns the check red", async () => {
  const health = { partitions: 1, unowned: [], stopped: [], late: [], projections: [] };
  const checksWith = async (connected: boolean) => {
    const checks = await readinessOf({
      health: { health: async () => health },
      config: { windowMs: 300_000, leaseMs: 5_000 },
      link: { connected: true },
      ledger: { check: { name: "ledger", ok: true, detail: "balanced" } },
      worker: undefined,
      publicServers: { state: async () => ({ connected, full: [] }) },
    })();
    return checks.find(({ name }) => name === "nats")?.ok;
  };
  expect(await checksWith(true)).toBe(true);
  expect(await checksWith(false)).toBe(false);
});
