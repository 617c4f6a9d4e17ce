/** What the figures were measured on. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

export interface Machine {
  readonly date: string;
  readonly cores: number;
  readonly cpu: string;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly bun: string;
  /** Processes that ran or waited in the minute before: more than 0 means others were at work. */
  readonly loadBefore: number;
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString(),
    cores: cpus().length,
    cpu: `${cpus()[0]?.model.trim() ?? "unknown"}${generation()}`,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    bun: Bun.version,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  };
}

/** What tells processors apart that a host names alike; empty where the kernel does not tell. */
function generation(): string {
  if (process.platform !== "linux") return "";
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const [family, model] = ["cpu family", "model"].map(
    (name) => new RegExp(`^${name}\\s*: (\\d+)$`, "m").exec(text)?.[1],
  );
  return family === undefined ? "" : `, family ${family} model ${model}`;
}

/**
 * CPU time, ms, over all cores, in which the machine had work since its start and its host let it
 * wait ("steal" of proc_stat(5), in hundredths of a second). 0 where the kernel does not tell.
 */
export function stolenMs(): number {
  if (process.platform !== "linux") return 0;
  const [all = ""] = readFileSync("/proc/stat", "utf8").split("\n");
  return Number(all.trim().split(/\s+/)[8] ?? 0) * 10;
}
