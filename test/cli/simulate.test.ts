import { describe, expect, test } from "bun:test";
import { standalone } from "../../src/cli/program.ts";
import { addSimulateVerb } from "../../src/cli/verbs/simulate.ts";
import type { SimulateOptions } from "../../src/simulator/simulation.ts";

/** What a command line asks for, or what is said of it. */
async function read(...args: string[]): Promise<SimulateOptions | string> {
  let asked: SimulateOptions | undefined;
  let said = "";
  const program = standalone("payload-stats").configureOutput({
    writeErr: (text) => {
      said += text;
    },
  });
  addSimulateVerb(program, async (options) => {
    asked = options;
    return 0;
  });
  await program.parseAsync(["simulate", ...args], { from: "user" }).catch(() => {});
  return asked ?? said;
}

describe("the command line of simulate", () => {
  test("has a default for everything", async () => {
    expect(await read()).toMatchObject({
      ...{ url: "http://localhost:8080", devices: 1000, contents: 50, forMs: 60_000, speed: 1 },
      ...{ batchShare: 0, keyedShare: 0.2, connections: 128, clockSkewMs: 5 },
      ...{ seed: undefined, windowMs: undefined },
    });
  });

  test("reads the example of the documentation", async () => {
    const args = ["--devices", "1000", "--contents", "50", "--for", "10m", "--speed", "10"];
    expect(await read(...args, "--batch", "--seed=7")).toMatchObject({
      ...{ devices: 1000, contents: 50, forMs: 600_000, speed: 10, seed: 7, batchShare: 0.3 },
    });
    expect(await read("--window", "10s", "--url", "https://stats.example.com/")).toMatchObject({
      ...{ windowMs: 10_000, url: "https://stats.example.com" },
    });
  });

  test.each([
    [["--device", "5"], "--device"],
    [["5"], "5"],
    [["--batch=1"], "--batch"],
    [["--devices", "0"], "an integer from 1 to 1000000"],
    [["--devices", "1.5"], "an integer"],
    [["--speed", "0.5"], "a number from 1 to 1000"],
    [["--keys", "2"], "a number from 0 to 1"],
    [["--for", "10"], "from 1s to 1d"],
    [["--clock-skew", "61s"], "from 0ms to 1m"],
    [["--window", "7s"], "divide a day"],
    [["--url", "stats"], "a URL"],
  ])("refuses %j", async (args, reason) => {
    expect(await read(...args)).toContain(reason);
  });
});
