/** How often the watch over the ledger looks, by a clock of its own. */
import { expect, test } from "bun:test";
import { LedgerWatch } from "../../src/actors/ledgerWatch.ts";
import type { LedgerEntry } from "../../src/actors/operatorPorts.ts";
import { silentLog } from "../../src/log.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { Scheduler } from "../simulation/scheduler.ts";

const entry: LedgerEntry = {
  ...{ partition: 0, sequence: 1, position: 1, read: 1, sealed: 1, countedTo: 1 },
  ...{ open: 0, duplicates: 0, quarantined: 0 },
};

interface Look {
  readonly atMs: number;
  /** All events are added up anew. */
  readonly recount: boolean;
}

/** When it looks within `forMs`, if a look takes `lookMs` and a recount `recountMs`. */
function looksWithin(forMs: number, lookMs: number, recountMs: number, fails = false): Look[] {
  const scheduler = new Scheduler();
  const running = new SimulatedProcess("watch", 1, scheduler, 0);
  const looks: Look[] = [];
  const entries = (since: readonly LedgerEntry[]) => {
    const recount = since.length === 0;
    looks.push({ atMs: scheduler.nowMs, recount });
    return new Promise<readonly LedgerEntry[]>((resolve, reject) => {
      running.after(recount ? recountMs : lookMs, () => {
        if (fails) reject(new Error("the store is away"));
        else resolve([entry]);
      });
    });
  };
  const watch = new LedgerWatch({ entries }, running.clock, silentLog);
  watch.start();
  scheduler.run(forMs);
  watch.stop();
  return looks;
}

function pausesOf(looks: readonly Look[], lookMs: number): number[] {
  return looks.slice(1).map(({ atMs }, i) => atMs - (looks[i]?.atMs ?? 0) - lookMs);
}

test("looks every two seconds where that costs little", () => {
  const looks = looksWithin(9_000, 10, 10);
  expect(pausesOf(looks, 10)).toEqual([2_000, 2_000, 2_000, 2_000]);
});

test("rests twenty times as long as a look takes, and half a minute at most", () => {
  expect(new Set(pausesOf(looksWithin(100_000, 1_000, 1_000), 1_000))).toEqual(new Set([20_000]));
  expect(new Set(pausesOf(looksWithin(200_000, 9_000, 9_000), 9_000))).toEqual(new Set([30_000]));
});

test("adds up anew after fifty times what that takes, from ten seconds to ten minutes", () => {
  const recountsOf = (looks: readonly Look[]) =>
    looks.filter(({ recount }) => recount).map(({ atMs }) => atMs);
  const between = (times: readonly number[]) =>
    times.slice(1).map((time, i) => time - (times[i] ?? 0));
  for (const [recountMs, least, most] of [
    [10, 10_000, 13_000],
    [2_000, 100_000, 145_000],
    [60_000, 600_000, 635_000],
  ] as const) {
    const gaps = between(recountsOf(looksWithin(3_000_000, 10, recountMs)));
    expect(gaps.length).toBeGreaterThan(2);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(least);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(most);
  }
});

test("tries again soon when it could not look, however long that took", () => {
  const looks = looksWithin(40_000, 5_000, 5_000, true);
  expect(new Set(pausesOf(looks, 5_000))).toEqual(new Set([2_000]));
});

test("is red when it could not look for minutes, whatever it found before", () => {
  const scheduler = new Scheduler();
  const { clock } = new SimulatedProcess("watch", 1, scheduler, 0);
  let fails = false;
  const entries = async () => {
    if (fails) throw new Error("the store is away");
    return [entry];
  };
  const watch = new LedgerWatch({ entries }, clock, silentLog);
  watch.start();
  scheduler.run(60_000);
  fails = true;
  scheduler.run(150_000);
  expect(watch.check.ok).toBe(true);
  scheduler.run(250_000);
  expect(watch.check.ok).toBe(false);
  expect(watch.check.detail).toBe("it could not be read for 3 minutes: the store is away");
  fails = false;
  scheduler.run(260_000);
  expect(watch.check.ok).toBe(true);
  watch.stop();
});

test("who asks for what has not begun yet shares it", async () => {
  const recounts: boolean[] = [];
  const entries = async (since: readonly LedgerEntry[]) => {
    recounts.push(since.length === 0);
    return [entry];
  };
  const { clock } = new SimulatedProcess("watch", 1, new Scheduler(), 0);
  const watch = new LedgerWatch({ entries }, clock, silentLog);
  await watch.report(true);
  const asked = [true, false, true, false, true].map((recount) => watch.report(recount));
  expect((await Promise.all(asked)).every(({ balanced }) => balanced)).toBe(true);
  expect(recounts).toEqual([true, true, false]);
});
