/** What readiness says in words. */
import { expect, test } from "bun:test";
import { PartitionHalted } from "../src/actors/ports.ts";
import { type ReadinessSources, readinessOf } from "../src/readiness.ts";

const health = { partitions: 4, unowned: [], stopped: [], late: [], ahead: [], projections: [] };

/** Of a process that is well. */
const well: ReadinessSources = {
  health: { health: async () => health },
  config: { windowMs: 300_000, leaseMs: 5_000 },
  link: { answers: async () => true },
  ledger: { check: { name: "ledger", ok: true, detail: "balanced" } },
  worker: undefined,
  publicServers: undefined,
};

/** One check of a process that is well but for these sources. */
async function checkOf(name: string, sources: Partial<ReadinessSources>) {
  const checks = await readinessOf({ ...well, ...sources })();
  return checks.find((check) => check.name === name);
}

test("a stopped partition is named once, with its reason", async () => {
  const { message: reason } = new PartitionHalted("the stream was made anew");
  const stopped = { ...health, stopped: [{ partition: 2, reason }] };
  expect(await checkOf("partitions", { health: { health: async () => stopped } })).toEqual({
    name: "partitions",
    ok: false,
    detail: "partition 2 is stopped: the stream was made anew",
  });
});

test.each([
  [true, true, "answers"],
  [false, false, "JetStream does not answer: see the broker's log, and whether its disk is full"],
  [undefined, false, "not connected: start the broker, or see NATS_URL"],
])("a broker that answers: %p", async (answers, ok, detail) => {
  const link = { answers: async () => answers };
  expect(await checkOf("nats", { link })).toEqual({ name: "nats", ok, detail });
});

test("a database that hangs is not waited for longer than asked, and the rest is told", async () => {
  const hangs = { health: () => new Promise<never>(() => {}) };
  const checks = await readinessOf({ ...well, health: hangs })(20);
  expect(checks.filter(({ ok }) => !ok)).toEqual([
    { name: "postgres", ok: false, detail: "no answer within 20 ms" },
  ]);
  expect(checks.map(({ name }) => name)).toEqual(["nats", "postgres", "ledger"]);
});

test("of many stopped partitions the first are named", async () => {
  const many = Array.from({ length: 20 }, (_, partition) => ({ partition, reason: "made anew" }));
  const stopped = { ...health, stopped: many };
  const check = await checkOf("partitions", { health: { health: async () => stopped } });
  expect(check?.detail).toMatch(
    /^partition 0 is stopped: made anew; .*partition 7 is stopped: made anew; and 12 more$/,
  );
});

test.each([true, false])(
  "a thread whose broker is connected: %p, and so is the check",
  async (connected) => {
    const publicServers = { state: async () => ({ connected, full: [], unanswered: [] }) };
    expect((await checkOf("nats", { publicServers }))?.ok).toBe(connected);
  },
);

test("streams that store nothing are named once", async () => {
  const unanswered = [3, 1, 3];
  const publicServers = { state: async () => ({ connected: true, full: [], unanswered }) };
  const found = await checkOf("streams", { publicServers });
  expect(found?.ok).toBe(false);
  expect(found?.detail).toMatch(/^partitions 1, 3: messages are not stored, .* quorum$/);
});

test("a stream whose time is ahead is told, and refuses nobody", async () => {
  const ahead = [1, 3].map((partition) => ({ partition, sealedThroughMs: partition * 1_000 }));
  const { ok, detail } =
    (await checkOf("progress", { health: { health: async () => ({ ...health, ahead }) } })) ?? {};
  expect(ok).toBe(true);
  expect(detail).toMatch(/^partitions 1, 3: .* no window ends before 1970-01-01T00:00:03.000Z at/);
});
