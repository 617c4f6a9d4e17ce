/** How the embedded servers share the cores with us. */
import { getPriority, setPriority } from "node:os";

/**
 * The command, as batch work where that can be had: on Linux with `chrt`, of util-linux or busybox.
 * Elsewhere it runs as it would by itself. A server that a message wakes then waits for its turn,
 * and does not interrupt the thread that sent the message and has more to send. How much of the
 * cores it gets stays the same; see sched(7), and decision 0021 for what it gives.
 */
export function asBatch(command: readonly string[]): string[] {
  if (process.platform !== "linux") return [...command];
  return ["/bin/sh", "-c", 'chrt -b -p 0 $$ >/dev/null 2>&1; exec "$@"', "sh", ...command];
}

/** Lowers the priority by `niceness`; what the process starts inherits it. Best effort. */
export function giveWay(pid: number, niceness: number): void {
  try {
    if (niceness > 0) setPriority(pid, Math.min(getPriority() + niceness, 19));
  } catch {
    // A server that has ended is noticed elsewhere.
  }
}
