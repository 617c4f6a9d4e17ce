/** `bun run simulate`: see `--help`. */
import { runProgram, standalone } from "./program.ts";
import { describeSimulate } from "./verbs/simulate.ts";

process.exitCode = await runProgram(
  describeSimulate(standalone("bun run simulate")),
  process.argv.slice(2),
);
