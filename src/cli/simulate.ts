/** `bun run simulate`: see `--help`. */
import { runSimulation } from "./simulation.ts";

process.exitCode = await runSimulation(process.argv.slice(2));
