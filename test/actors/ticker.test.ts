import { describe, expect, test } from "bun:test";
import { keepTicking } from "../../src/actors/ticker.ts";
import { silentLog } from "../../src/log.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { Scheduler } from "../simulation/scheduler.ts";

import { FakeStreams } from "./fakes.ts";

const windowMs = 10_000;

/** Ticks for half a minute in a stream that nothing else is written to or read from. */
function tickFor(
  streams: FakeStreams,
  progress: { sequence: number; timeMs: number },
  process = processOf(new Scheduler()),
) {
  const { clock, scheduler } = process;
  const abort = new AbortController();
  let restarts = 0;
  void keepTicking({
    partition: 0,
    streams,
    clock,
    log: silentLog,
    windowMs: process.windowMs,
    progress: () => progress,
    changed: () => new Promise(() => {}),
    waiting: () => true,
    full: () => {},
    restartFeed: () => {
      restarts++;
    },
    signal: abort.signal,
  });
  scheduler.run(30_000);
  abort.abort();
  scheduler.run(31_000);
  return restarts;
}

function processOf(scheduler: Scheduler, ticksEveryMs = windowMs) {
  const process = new SimulatedProcess("ticker", 1, scheduler, 0);
  return { process, clock: process.clock, scheduler, windowMs: ticksEveryMs };
}

describe("a tick", () => {
  test("follows a clock that is set forward soon", () => {
    const streams = new FakeStreams("created", 5);
    const set = processOf(new Scheduler(), 3_600_000);
    set.process.after(1_000, () => {
      set.process.skewMs = 3_600_000;
    });
    tickFor(streams, { sequence: 4, timeMs: 1 }, set);
    expect(streams.ticks).toBeGreaterThan(0);
  });

  test.each([1, 0])("does not wait for a clock that is set back, at time %p", (timeMs) => {
    const streams = new FakeStreams("created", 5);
    const set = processOf(new Scheduler());
    set.process.skewMs = 3_600_000;
    set.process.after(1_000, () => {
      set.process.skewMs = 0;
    });
    tickFor(streams, { sequence: 4, timeMs: timeMs * 3_600_000 }, set);
    expect(streams.ticks).toBeGreaterThan(0);
  });

  test("is rare where the broker's clock was ahead, and its time stands still", () => {
    const streams = new FakeStreams("created", 4);
    const progress = {
      get sequence() {
        return streams.lastSequence;
      },
      // A millisecond before the end of a window.
      timeMs: windowMs - 1,
    };
    tickFor(streams, progress);
    expect(streams.ticks).toBeGreaterThan(3);
    expect(streams.ticks).toBeLessThan(20);
  });

  test("that does not come back replaces the consumer, and is waited for", () => {
    const streams = new FakeStreams("created", 5);
    const restarts = tickFor(streams, { sequence: 4, timeMs: 1 });
    expect(streams.ticks).toBe(1);
    expect(restarts).toBeGreaterThan(3);
  });

  test("that the broker has lost again is followed by another one", () => {
    const streams = new FakeStreams("created", 5);
    streams.keepsTicks = false;
    const restarts = tickFor(streams, { sequence: 5, timeMs: 1 });
    expect(streams.ticks).toBeGreaterThan(3);
    expect(restarts).toBe(streams.ticks);
  });

  test("with a sequence that was read before has the stream verified", () => {
    const streams = new FakeStreams("another", 1);
    const restarts = tickFor(streams, { sequence: 40, timeMs: 1 });
    expect(restarts).toBe(streams.ticks);
  });
});
