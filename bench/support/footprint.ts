/** Memory and open files of process trees, by program, from /proc. */
import { readdirSync, readFileSync } from "node:fs";
import { processesOf } from "./processTree.ts";

export interface Footprint {
  /** Bytes that are resident, without what is shared with other processes. */
  readonly memoryBytes: number;
  /** Of the process that has most of them: how many backends Postgres has goes up and down. */
  readonly files: number;
}

/**
 * The roots by the names given, every other program by its own name. Memory that processes share
 * (the buffers of Postgres) would count once a process; it stands by itself, once.
 * @param roots names by pid.
 */
export function footprintsOf(roots: ReadonlyMap<number, string>): Map<string, Footprint> {
  const sums = new Map<string, Footprint>();
  let sharedBytes = 0;
  for (const { pid, name } of [...roots.keys()].flatMap(processesOf)) {
    const memory = memoryOf(pid);
    if (memory === undefined) continue;
    const program = roots.get(pid) ?? name;
    const sum = sums.get(program) ?? { memoryBytes: 0, files: 0 };
    sums.set(program, {
      memoryBytes: sum.memoryBytes + memory.ownBytes,
      files: Math.max(sum.files, filesOf(pid)),
    });
    sharedBytes = Math.max(sharedBytes, memory.sharedBytes);
  }
  return sums.set("shared memory", { memoryBytes: sharedBytes, files: 0 });
}

/** Undefined for a process that has ended. */
function memoryOf(pid: number) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const bytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) * 1_024;
    return { ownBytes: bytes("RssAnon") + bytes("RssFile"), sharedBytes: bytes("RssShmem") };
  } catch {
    return undefined;
  }
}

function filesOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}
