import { describe, expect, test } from "bun:test";
import { parseCommandLine } from "../../src/simulator/options.ts";

function problems(...args: string[]): readonly string[] {
  const commandLine = parseCommandLine(args);
  return commandLine.kind === "problems" ? commandLine.problems : [];
}

describe("the command line of simulate", () => {
  test("has a default for everything", () => {
    const commandLine = parseCommandLine([]);
    expect(commandLine).toMatchObject({
      kind: "run",
      options: { url: "http://localhost:8080", devices: 1000, contents: 50, batchShare: 0 },
    });
  });

  test("reads the example of the documentation", () => {
    const args = ["--devices", "1000", "--contents", "50", "--for", "10m", "--speed", "10"];
    expect(parseCommandLine([...args, "--batch", "--seed=7"])).toMatchObject({
      kind: "run",
      options: { devices: 1000, contents: 50, forMs: 600_000, speed: 10, seed: 7, batchShare: 0.3 },
    });
  });

  test("refuses what it does not know", () => {
    expect(problems("--device", "5")[0]).toContain("--device");
    expect(problems("5")[0]).toContain("5");
    expect(problems("--batch=1")).toHaveLength(1);
  });

  test("lists all problems at once", () => {
    const found = problems("--devices", "0", "--for", "10", "--url", "stats", "--keys", "2");
    expect(found.map((problem) => problem.split(":")[0])).toEqual([
      "--url",
      "--devices",
      "--for",
      "--keys",
    ]);
  });

  test("gives help", () => {
    expect(parseCommandLine(["-h"])).toEqual({ kind: "help" });
  });
});
