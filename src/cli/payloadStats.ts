#!/usr/bin/env bun
/** `payload-stats`: see `--help`. */
import { createProgram, runProgram } from "./program.ts";
import { readCliSettings } from "./settings.ts";

process.exitCode = await runProgram(
  createProgram(readCliSettings(process.env)),
  process.argv.slice(2),
);
