#!/usr/bin/env bun
/** `payload-stats`: see `--help`. */
import { createProgram, runProgram } from "./program.ts";
import { readCliSettings } from "./settings.ts";

// A reader that has seen enough (`| head`) is no failure: what the verb finds is its exit code.
process.stderr.on("error", () => {});
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") return;
  // Nothing that is still under way can succeed; an open connection would keep it waiting.
  process.stderr.write(`cannot write the result: ${error.message}\n`);
  process.exit(1);
});
process.exitCode = await runProgram(
  createProgram(readCliSettings(process.env)),
  process.argv.slice(2),
);
