/** What readiness says in words. */
import { expect, test } from "bun:test";
import { PartitionHalted } from "../src/actors/ports.ts";
import { readinessOf } from "../src/readiness.ts";
import { runningPartition } from "./support/adminServer.ts";
import { MemoryAdminQueries } from "./support/memoryAdmin.ts";

test("a stopped partition is named once, with its reason", async () => {
  const admin = new MemoryAdminQueries();
  const { message: stopped } = new PartitionHalted(2, "the stream was made anew");
  admin.partitionRows.push(runningPartition(1), { ...runningPartition(2), stopped });
  const checks = await readinessOf({
    admin,
    natsConnected: () => true,
    ledger: { check: { name: "ledger", ok: true, detail: "balanced" } },
    worker: undefined,
  })();
  expect(checks.find(({ name }) => name === "partitions")).toEqual({
    name: "partitions",
    ok: false,
    detail: "partition 2 is stopped: the stream was made anew",
  });
});
