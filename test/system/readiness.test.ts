/**
 * `/readyz` of a system whose roles run in processes of their own: green from the start on, while
 * nothing is sent as well, and red by name when a part is missing.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import postgres from "postgres";
import { asList, asObject, type Json, readObject } from "../support/answers.ts";
import { type TestProcess, type TestSite, testSite } from "../support/process.ts";
import { sealedThroughMs } from "../support/tables.ts";
import { until } from "../support/until.ts";

const windowMs = 1_000;
let site: TestSite;
let door: TestProcess;
let worker: TestProcess;
let projector: TestProcess;
let sql: postgres.Sql;
const startedMs = Date.now();

function startRole(role: string): Promise<TestProcess> {
  return site.start({ DATABASE_URL: door.databaseUrl, NATS_URL: door.natsUrl, ROLES: role });
}

beforeAll(async () => {
  site = await testSite({ WINDOW: `${windowMs / 1_000}s`, PARTITIONS: "3", LEASE: "2s" });
  door = await site.start({ ROLES: "ingest,admin" });
  [worker, projector] = await Promise.all([startRole("worker"), startRole("projector")]);
  sql = postgres(door.databaseUrl, { max: 1, onnotice: () => {} });
}, 60_000);
afterAll(async () => {
  await sql?.end();
  await site?.clear();
});

async function checks(): Promise<Json[]> {
  const { checks } = await readObject(await fetch(`${door.url}/readyz`));
  return asList(checks).map(asObject);
}

function becomes(name: string, ok: boolean): Promise<string> {
  return until(
    async () => {
      const found = (await checks()).find((check) => check.name === name);
      return found?.ok === ok ? String(found.detail) : undefined;
    },
    { what: `${name} to be ${ok ? "green" : "red"}`, timeoutMs: 30_000 },
  );
}

async function becomesGreen(): Promise<void> {
  await until(async () => (await fetch(`${door.url}/readyz`)).status === 200, {
    what: "readiness to be green",
    timeoutMs: 30_000,
  });
}

describe("readiness", () => {
  test("is green through the first windows, and stays so without traffic", async () => {
    await becomesGreen();
    const names = (await checks()).map(({ name }) => name);
    const all = ["nats", "streams", "postgres", "partitions", "progress", "projections", "ledger"];
    expect(names).toEqual(all);
    const red: Json[] = [];
    await until(
      async () => {
        red.push(...(await checks()).filter(({ ok }) => ok !== true));
        return (await sealedThroughMs(door.databaseUrl)) > startedMs + 10 * windowMs;
      },
      { what: "several windows to pass", timeoutMs: 30_000, intervalMs: 50 },
    );
    expect(red).toEqual([]);
  }, 60_000);

  test("says that no projector lives, and not before it matters", async () => {
    await projector.killGroup();
    expect(await becomes("projections", false)).toMatch(
      /content_hourly: no projector lives; start a process with the role projector; .*stats: no/,
    );
    projector = await startRole("projector");
    expect(await becomes("projections", true)).toBe("up to date");
    await becomesGreen();
  }, 60_000);

  test("says which partitions have no living owner, though the dead one is still noted", async () => {
    await worker.killGroup();
    expect(await becomes("partitions", false)).toMatch(/^partitions 0, 1, 2: no living owner; .*/);
    worker = await startRole("worker");
    await becomesGreen();
  }, 60_000);

  test("says which partition seals nothing though it has an owner", async () => {
    // Who holds the row keeps every commit of the partition waiting.
    const holder = postgres(door.databaseUrl, { max: 1, onnotice: () => {} });
    const enough = Promise.withResolvers<void>();
    const holding = holder.begin(async (held) => {
      await held`select from partitions where partition = 1 for update`;
      await enough.promise;
    });
    const said =
      /^partition 1: sealed last at .*, more than two windows and LEASE ago; the owner \S+ is/;
    try {
      // The others may be late as well for a moment, after the worker's restart.
      await until(async () => said.test(await becomes("progress", false)), {
        what: "partition 1 alone to be late",
        timeoutMs: 30_000,
      });
    } finally {
      enough.resolve();
      await holding;
      await holder.end();
    }
    await becomes("progress", true);
    await becomesGreen();
  }, 60_000);

  test("takes a pause for what it is, and no event for one that is late", async () => {
    const decide = (decision: string) =>
      fetch(`${door.adminUrl}/admin/projections/stats/${decision}`, { method: "POST" });
    expect((await decide("pause")).ok).toBe(true);
    await until(async () => (await becomes("projections", true)) === "paused: stats", {
      what: "the pause to be told",
    });
    expect((await decide("resume")).ok).toBe(true);
    expect(await becomes("projections", true)).toBe("up to date");
    await becomesGreen();
  }, 60_000);
});
