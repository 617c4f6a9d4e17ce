/** How the embedded servers share the cores with us. */
import { existsSync, writeFileSync } from "node:fs";
import { errorCode } from "../errorCode.ts";
import { readIfThere } from "./processes.ts";

/** New sessions are looked for this often. A pool keeps its connections, so few are new. */
const sweepMs = 1_000;
/** Without privileges the kernel takes one value in 100 ms, from all processes of the machine. */
const againMs = 110;

/**
 * The command, `niceness` below our priority, and as batch work (`chrt` of util-linux or busybox,
 * on Linux). A server that a message wakes then waits for its turn, and does not interrupt the
 * thread that sent the message and has more to send. As batch work alone it gets as much of the
 * cores as before; see sched(7), and decision 0021 for what it gives. What cannot be had is left
 * out.
 */
export function givingWay(command: readonly string[], niceness: number): string[] {
  const script = `
    chrt -b -p 0 $$ >/dev/null 2>&1
    command -v nice >/dev/null && set -- nice -n ${niceness} "$@"
    exec "$@"`;
  return ["/bin/sh", "-c", script, "sh", ...command];
}

/**
 * Gives the sessions of a server and of its children a nice value, until it is stopped by what this
 * returns. Where Linux groups processes by session, each session has the same weight, and the nice
 * values of processes count within theirs only (sched(7), "The autogroup feature"): one backend of
 * Postgres, which is a session, would weigh as much as all our threads. What cannot be had is left
 * out.
 */
export function niceSessions(pid: number, niceness: number): () => void {
  if (niceness === 0 || !existsSync("/proc/self/autogroup")) return () => {};
  let timer: ReturnType<typeof setTimeout>;
  const sweep = () => {
    const areSettled = [pid, ...childrenOf(pid)].every((member) => isSettled(member, niceness));
    timer = setTimeout(sweep, areSettled ? sweepMs : againMs).unref();
  };
  sweep();
  return () => clearTimeout(timer);
}

function childrenOf(pid: number): number[] {
  return (readIfThere(`/proc/${pid}/task/${pid}/children`) ?? "")
    .split(" ")
    .map(Number)
    .filter((child) => child > 0);
}

/** Sets the value of a session unless it has it. False when the kernel says to try again later. */
function isSettled(pid: number, niceness: number): boolean {
  const path = `/proc/${pid}/autogroup`;
  if (readIfThere(path)?.endsWith(` nice ${niceness}\n`)) return true;
  try {
    writeFileSync(path, String(niceness));
    return true;
  } catch (error) {
    return errorCode(error) !== "EAGAIN";
  }
}
