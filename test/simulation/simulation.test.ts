/**
 * A thousand runs. One that fails is printed with the command that repeats it; with
 * `SIMULATION_SEED` set, that run alone is done, and what its workers logged is printed.
 */
import { describe, expect, test } from "bun:test";
import { Coverage } from "./coverage.ts";
import { describeFailure } from "./failure.ts";
import { simulate } from "./simulation.ts";

const asked = process.env.SIMULATION_SEED;
const [firstSeed, seeds] = asked === undefined ? [1, 1_000] : [Number(asked), 1];

/** What has to come up in a thousand runs; a simulation in which nothing happens proves nothing. */
const expected = [
  "commit: next owner",
  "consumer: silent",
  "consumer: skipped a message",
  "damage: recreated",
  "damage: restored",
  "damage: truncated",
  "device: sent again with its key",
  "feed: restarted by a tick that did not come back",
  "halted for good: recreated",
  "halted for good: restored",
  "halted for good: truncated",
  "outcome: conflict",
  "outcome: fenced",
  "publisher: stray message",
  "purge",
  "request: answerLost",
  "request: killed after",
  "request: killed before",
  "request: late",
  "worker: stopped gracefully",
];

describe("the deterministic simulation", () => {
  test(`holds every invariant in ${seeds} runs`, () => {
    const coverage = new Coverage();
    const failures: string[] = [];
    for (let seed = firstSeed; seed < firstSeed + seeds && failures.length < 5; seed++) {
      const run = simulate(seed);
      coverage.add(run.coverage);
      if (run.violations.length > 0) failures.push(describeFailure(seed, run));
      if (asked !== undefined) console.log(run.scenario, `\n${run.trace.join("\n")}`);
    }
    expect(failures).toEqual([]);
    if (asked !== undefined) return;
    expect(expected.filter((what) => !coverage.counts.has(what))).toEqual([]);
  }, 120_000);

  test("repeats a run exactly", () => {
    for (const seed of [3, 17, 4_711]) {
      const [one, other] = [simulate(seed), simulate(seed)];
      expect(other.trace).toEqual(one.trace);
      expect(other.coverage).toEqual(one.coverage);
    }
  });
});
