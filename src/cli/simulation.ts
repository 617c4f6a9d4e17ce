/** A run of the simulator: from its options to an exit code. */
import { styleText } from "node:util";
import { errorMessage } from "../log.ts";
import type { Screen } from "../simulator/progress.ts";
import { describeRun, isGood, runFields } from "../simulator/report.ts";
import { type SimulateOptions, simulate } from "../simulator/simulation.ts";
import { Tables } from "../simulator/tables.ts";
import { interruption } from "./interruption.ts";
import type { OutputForm } from "./output.ts";

/** Resolves with the exit code: 0 no difference, 1 a difference. @param form of the report. */
export async function runSimulation(options: SimulateOptions, form: OutputForm): Promise<number> {
  const tables = new Tables(options.url);
  let windowMs: number;
  try {
    windowMs = options.windowMs ?? (await tables.windowMs());
  } catch (error) {
    process.stderr.write(`cannot ask ${options.url}: ${errorMessage(error)}\n`);
    return 1;
  }
  const seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const runName = `sim-${seed}-${Date.now().toString(36)}`;
  const settled = { ...options, windowMs, seed, runName };
  process.stderr.write(
    `${options.devices} devices, ${options.contents} contents, seed ${seed}, ` +
      `customers ${runName}-*, ${options.url}\n`,
  );
  const result = await simulate(settled, tables, interruption(), standardError());
  const text =
    form === "json" ? JSON.stringify(runFields(settled, result)) : describeRun(settled, result);
  process.stdout.write(`${text}\n`);
  return isGood(result) ? 0 : 1;
}

function standardError(): Screen {
  const stream = process.stderr;
  return {
    isTerminal: stream.isTTY === true,
    // It looks at the stream and at NO_COLOR.
    hasColours: styleText("green", "x", { stream }) !== "x",
    write: (text) => void stream.write(text),
  };
}
