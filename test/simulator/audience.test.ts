import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkPayload } from "../../src/domain/payload.ts";
import { Audience, type AudienceOptions, type DuePayload } from "../../src/simulator/audience.ts";

const defaults: AudienceOptions = {
  seed: 1,
  devices: 500,
  contents: 50,
  customerPrefix: "sim",
  keyedShare: 0.2,
  batchShare: 0.3,
};
const minuteMs = 60_000;

function payloadsUntil(endMs: number, options: Partial<AudienceOptions> = {}): DuePayload[] {
  const audience = new Audience({ ...defaults, ...options });
  const payloads: DuePayload[] = [];
  for (let due = audience.take(endMs); due !== undefined; due = audience.take(endMs)) {
    payloads.push(due);
  }
  return payloads;
}

describe("the audience", () => {
  test("is determined by the seed, however it is asked", () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.integer({ min: 1, max: minuteMs })), (seed, steps) => {
        const audience = new Audience({ ...defaults, devices: 50, seed });
        const found: DuePayload[] = [];
        for (const untilMs of [...steps.sort((a, b) => a - b), minuteMs]) {
          for (let due = audience.take(untilMs); due; due = audience.take(untilMs)) found.push(due);
        }
        expect(found).toEqual(payloadsUntil(minuteMs, { devices: 50, seed }));
      }),
      { numRuns: 30 },
    );
    expect(payloadsUntil(minuteMs, { seed: 2 })).not.toEqual(payloadsUntil(minuteMs));
  });

  test("sends in order of time, every 30 s from each session, and only what is acceptable", () => {
    const payloads = payloadsUntil(30 * minuteMs);
    let lastMs = 0;
    const sessions = new Map<string, { atMs: number; sessionDuration: number }>();
    for (const { atMs, payload } of payloads) {
      expect(atMs).toBeGreaterThanOrEqual(lastMs);
      lastMs = atMs;
      expect(checkPayload(payload)).toEqual({ ok: true, payload });
      const before = sessions.get(payload.token);
      if (before !== undefined) {
        expect(atMs - before.atMs).toBeCloseTo(30_000, 3);
        expect(payload.sessionDuration - before.sessionDuration).toBe(30_000);
      }
      sessions.set(payload.token, { atMs, sessionDuration: payload.sessionDuration });
    }
  });

  test("keeps most devices watching, so that its rate is that of its size", () => {
    const payloads = payloadsUntil(60 * minuteMs);
    const watching = payloads.length / (60 * 2);
    expect(watching).toBeGreaterThan(0.65 * defaults.devices);
    expect(watching).toBeLessThan(0.95 * defaults.devices);
  });

  test("prefers contents as Zipf's law has it", () => {
    const counts = new Map<string, number>();
    for (const { payload } of payloadsUntil(60 * minuteMs, { devices: 2_000 })) {
      const name = `${payload.customer}/${payload.content}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const ranked = [...counts.values()].sort((a, b) => b - a);
    expect(ranked.length).toBe(50);
    // With exponent 0.9, the first is 10^0.9 (about 8) times as popular as the tenth.
    const ratio = (ranked[0] ?? 0) / (ranked[9] ?? 1);
    expect(ratio).toBeGreaterThan(5);
    expect(ratio).toBeLessThan(12);
  });

  test("holds everything that the service has to get right", () => {
    const payloads = payloadsUntil(60 * minuteMs);
    const share = (is: (due: DuePayload) => boolean) => payloads.filter(is).length;
    expect(new Set(payloads.map(({ payload }) => payload.customer)).size).toBeGreaterThan(2);
    expect(share(({ payload }) => payload.cdn + payload.p2p === 0)).toBeGreaterThan(100);
    expect(share(({ payload }) => payload.p2p > payload.cdn)).toBeGreaterThan(100);
    expect(share(({ repeated }) => repeated)).toBeGreaterThan(100);
    expect(share(({ batched }) => batched)).toBeGreaterThan(100);
    expect(share(({ payload }) => payload.sessionDuration < 2_000)).toBeGreaterThan(100);
    // Tokens that were seen in two contents.
    const contents = new Map<string, Set<string>>();
    for (const { payload } of payloads) {
      const seen = contents.get(payload.token) ?? new Set();
      contents.set(payload.token, seen.add(payload.content));
    }
    expect([...contents.values()].filter(({ size }) => size > 1).length).toBeGreaterThan(10);
  });
});
