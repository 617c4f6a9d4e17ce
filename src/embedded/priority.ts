/** How the embedded servers share the cores with us. */
import { getPriority, setPriority } from "node:os";

/**
 * The command, as batch work where the system can say so (Linux, by `chrt` of util-linux). A server
 * that a message wakes then waits for its turn, and does not interrupt the thread that sent the
 * message and has more to send. How much of the cores it gets stays the same; see sched(7), and
 * decision 0021 for what it gives.
 */
export function asBatch(command: readonly string[]): readonly string[] {
  return canBatch() ? [...batch, ...command] : command;
}

/** Lowers the priority by `niceness`; what the process starts inherits it. Best effort. */
export function giveWay(pid: number, niceness: number): void {
  try {
    if (niceness > 0) setPriority(pid, Math.min(getPriority() + niceness, 19));
  } catch {
    // A server that has ended is noticed elsewhere.
  }
}

const batch = ["chrt", "-b", "0"];

/** A sandbox may forbid the system call, and other programs may have the name. */
function canBatch(): boolean {
  if (process.platform !== "linux" || Bun.which("chrt") === null) return false;
  const probe = Bun.spawnSync([...batch, "true"], { stdout: "ignore", stderr: "ignore" });
  return probe.exitCode === 0;
}
