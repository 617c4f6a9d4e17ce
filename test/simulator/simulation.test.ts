/** The simulator against a service that counts rightly, and against ones that do not. */
import { describe, expect, test } from "bun:test";
import { describeRun, isGood, runFields } from "../../src/simulator/report.ts";
import { type SimulationOptions, simulate } from "../../src/simulator/simulation.ts";
import { Tables } from "../../src/simulator/tables.ts";
import { type FakeService, startFakeService } from "./fakeService.ts";

const windowMs = 1_000;
const quietScreen = { isTerminal: false, hasColours: false, write: () => {} };

function optionsFor(url: string, runName: string): SimulationOptions {
  return {
    url,
    devices: 300,
    contents: 20,
    forMs: 2_500,
    // A payload a second from each device, so that sessions span windows.
    speed: 30,
    seed: 11,
    windowMs,
    keyedShare: 0.3,
    batchShare: 0.3,
    connections: 32,
    clockSkewMs: 1,
    runName,
  };
}

async function simulateOn(service: FakeService, changes: Partial<SimulationOptions> = {}) {
  const options = { ...optionsFor(service.url, "sim-test"), ...changes };
  const never = new AbortController().signal;
  const result = await simulate(options, new Tables(service.url), never, quietScreen);
  const fields = JSON.parse(JSON.stringify(runFields(options, result)));
  return { result, report: describeRun(options, result), fields, good: isGood(result) };
}

describe("simulate", () => {
  test("finds no difference where everything is counted once", async () => {
    await using service = startFakeService(windowMs);
    expect(await new Tables(service.url).windowMs()).toBe(windowMs);
    const { result, report, fields, good } = await simulateOn(service);
    expect(report).toContain("no difference");
    expect(good).toBe(true);
    const { acknowledged } = result.tallies;
    expect(fields).toMatchObject({ good: true, acknowledged, differences: [], failure: null });
    expect(result.tallies.acknowledged).toBeGreaterThan(400);
    expect(result.tallies.repeats).toBeGreaterThan(0);
    expect(service.received).toBe(result.tallies.acknowledged + result.tallies.repeats);
    expect(result.rows).toBeGreaterThan(30);
  });

  test("is exact where refused requests carried a key", async () => {
    await using service = startFakeService(windowMs);
    service.refuseNext = { count: 40, stored: true };
    const { result, report, good } = await simulateOn(service, { keyedShare: 1 });
    expect(report).toContain("no difference");
    expect(good).toBe(true);
    expect(result.tallies.retries).toBeGreaterThan(0);
    expect(result.tallies.unknown).toBe(0);
  });

  test.concurrent("leaves room for requests that were refused after they may have been stored", async () => {
    await using service = startFakeService(windowMs);
    service.refuseNext = { count: 40, stored: true };
    // Under a key, a repeat cannot count: nothing would remain unknown.
    const { result, report, good } = await simulateOn(service, { keyedShare: 0, batchShare: 0 });
    expect(report).toContain("no difference");
    expect(good).toBe(true);
    expect(result.tallies.retries).toBeGreaterThan(0);
    expect(result.tallies.unknown).toBeGreaterThan(0);
    // What may have been stored may also be stored some seconds later: those windows are awaited.
  }, 20_000);

  const spoilers: Record<string, FakeService["spoil"]> = {
    "one byte more": (rows) => rows.map((row, i) => (i === 3 ? { ...row, cdn: row.cdn + 1 } : row)),
    "one session more": (rows, table) =>
      rows.map((row, i) => {
        return i === 3 && table === "sessions" ? { ...row, sessions: row.sessions + 1 } : row;
      }),
    "one row missing": (rows, table) => (table === "stats" ? rows.slice(1) : rows),
    "one row of sessions missing": (rows, table) => (table === "sessions" ? rows.slice(1) : rows),
    "a content that nobody sent": (rows) => [
      ...rows,
      ...rows.slice(0, 1).map((row) => ({ ...row, content: "nobody's" })),
    ],
    "a window that nobody sent in": (rows) => [
      ...rows,
      ...rows.slice(0, 1).map((row) => ({ ...row, window: row.window - 100 })),
    ],
  };
  for (const [name, spoil] of Object.entries(spoilers)) {
    test.concurrent(`finds ${name}`, async () => {
      await using service = startFakeService(windowMs);
      service.spoil = spoil;
      const { report, good } = await simulateOn(service);
      expect(good).toBe(false);
      expect(report).toMatch(/\d+ DIFFERENCES/);
    });
  }

  test.concurrent("ends early when told to, and compares what was sent until then", async () => {
    await using service = startFakeService(windowMs);
    const options = { ...optionsFor(service.url, "sim-early"), forMs: 60_000 };
    const ending = AbortSignal.timeout(700);
    const result = await simulate(options, new Tables(service.url), ending, quietScreen);
    expect(isGood(result)).toBe(true);
    expect(result.tallies.acknowledged).toBeGreaterThan(0);
  });
});
