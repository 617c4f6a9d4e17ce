/** Builds of projections, followed and shown as an operator sees them. */
import { afterAll, expect, test } from "bun:test";
import type { ComparisonReport, ProjectionInfo } from "../../src/actors/projectionPorts.ts";
import { idleProjection, startAdminServer } from "../support/adminServer.ts";
import { payloadStats } from "../support/cli.ts";

const api = startAdminServer();
const env = { ADMIN_PORT: new URL(api.server.url).port };
afterAll(() => api.server.stop(0));

const startedAt = "2026-01-31T10:10:00.000Z";
const build = { version: 1, startedAt, events: 4, eventsPerSecond: 1_000, limits: {} };
const none = { missing: [], extra: [], different: [] };
const counts = { equal: 3, missing: 0, extra: 0, different: 0 };

function ended(kind: "rebuild" | "verify", report: ComparisonReport): ProjectionInfo {
  const outcome = kind === "verify" ? "verified" : "swapped";
  const lastRebuild = { ...build, kind, outcome, endedAt: startedAt, report };
  return { ...idleProjection("stats"), lastRebuild };
}

function report(differing: Partial<ComparisonReport> = {}): ComparisonReport {
  return { ...counts, comparedAt: startedAt, events: 4, examples: none, ...differing };
}

const paused: ProjectionInfo = {
  ...idleProjection("stats"),
  rebuild: {
    ...build,
    kind: "rebuild",
    phase: "paused",
    applied: 0,
    secondsLeft: null,
    acceptsDifferences: false,
    report: null,
    problem: null,
  },
};

/** The projection as it is found, one after the other; the last one stays. */
function find(...infos: readonly ProjectionInfo[]): void {
  let asked = 0;
  api.queries.projections = async () =>
    infos.slice(Math.min(asked++, infos.length - 1)).slice(0, 1);
}

test("what a comparison counted is a result", async () => {
  find(ended("rebuild", report()));
  const equal = await payloadStats(["projection", "rebuild", "stats"], env);
  expect(equal.code).toBe(0);
  expect(equal.stdout).toMatch(/^EQUAL +MISSING +EXTRA +DIFFERENT\n3 +0 +0 +0\n$/);
  const pair = { live: { cdn: "2" }, rebuilt: { cdn: "1" } };
  find(ended("verify", report({ different: 1, examples: { ...none, different: [pair] } })));
  const different = await payloadStats(["projection", "verify", "stats"], env);
  expect(different).toMatchObject({ code: 1, stderr: "the table differs from the event log\n" });
  expect(different.stdout).toMatch(/^3 +0 +0 +1$/m);
  expect(different.stdout).toMatch(/^different +cdn=2 +cdn=1$/m);
});

test("a build that is gone is not waited for", async () => {
  find(idleProjection("stats"));
  const { code, stderr } = await payloadStats(["projection", "rebuild", "stats"], env);
  expect(code).toBe(1);
  expect(stderr).toContain("there is no build to watch");
  expect(stderr).not.toContain("asking again");
});

test("whoever follows a build that is paused is told once how it goes on", async () => {
  find(paused, paused, ended("rebuild", report()));
  const { code, stderr } = await payloadStats(["projection", "rebuild", "stats"], env);
  expect(code).toBe(0);
  expect(stderr.match(/payload-stats projection resume stats --rebuild-only\n/g)).toHaveLength(1);
});

test("a build that waits for its projection is told apart from one that is paused alone", async () => {
  find({ ...paused, state: "paused" }, paused, ended("rebuild", report()));
  const { stderr } = await payloadStats(["projection", "rebuild", "stats"], env);
  const commands = stderr.match(/projection resume .*/g);
  expect(commands).toEqual(["projection resume stats", "projection resume stats --rebuild-only"]);
});
