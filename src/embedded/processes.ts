/** What we need to know of processes that we did not start, or no longer hold a handle of. */
import { readFileSync } from "node:fs";
import { errorCode } from "../errorCode.ts";

/** True while the process runs. A zombie counts as dead: pid 1 of a container may never reap it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
  return processState(pid) !== "Z";
}

/** The command line of a process; empty when there is no such process. */
export function commandLine(pid: number): string {
  if (process.platform === "linux") {
    return (readIfThere(`/proc/${pid}/cmdline`) ?? "").replaceAll("\0", " ").trim();
  }
  const ps = Bun.spawnSync(["ps", "-ww", "-o", "command=", "-p", String(pid)]);
  return ps.stdout.toString().trim();
}

/** Sends a signal; says whether there was a process to receive it. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
    throw error;
  }
}

/** Ends a process: a polite signal, then SIGKILL after `patienceMs`. Resolves once it is dead. */
export async function endProcess(
  pid: number,
  polite: NodeJS.Signals,
  patienceMs: number,
): Promise<void> {
  signal(pid, polite);
  if (await diesWithin(pid, patienceMs)) return;
  signal(pid, "SIGKILL");
  if (!(await diesWithin(pid, 5_000))) throw new Error(`process ${pid} does not die`);
}

async function diesWithin(pid: number, patienceMs: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  while (isAlive(pid)) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(10);
  }
  return true;
}

/**
 * The letter of a process's state as in proc(5): T when it was stopped by a signal, Z for a zombie.
 * Undefined where that cannot be told.
 */
export function processState(pid: number): string | undefined {
  const stat = process.platform === "linux" ? readIfThere(`/proc/${pid}/stat`) : undefined;
  // The state follows the name, which stands in parentheses and may itself hold some.
  return stat?.at(stat.lastIndexOf(")") + 2);
}

/** The text of a file, or undefined when it cannot be read. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
