/** CPU time and memory of a process and its descendants, by name, from /proc. */
import { readdirSync, readFileSync } from "node:fs";

interface Usage {
  /** Seconds of CPU, user and system. */
  readonly cpuSeconds: number;
  /** Resident memory now, bytes. For Postgres it counts shared buffers once a backend. */
  readonly residentBytes: number;
}

interface ProcessStat extends Usage {
  readonly name: string;
  readonly parent: number;
}

/** Linux counts CPU time in these, whatever the kernel's own clock is. */
const ticksPerSecond = 100;
const pageBytes = 4_096;

/** What the process tree uses by name of program; empty where there is no /proc. */
export function usageOf(root: number): Map<string, Usage> {
  const all = readAll();
  const byName = new Map<string, Usage>();
  for (const [pid, { name, cpuSeconds, residentBytes }] of all) {
    if (!descends(pid, root, all)) continue;
    const sum = byName.get(name) ?? { cpuSeconds: 0, residentBytes: 0 };
    byName.set(name, {
      cpuSeconds: sum.cpuSeconds + cpuSeconds,
      residentBytes: sum.residentBytes + residentBytes,
    });
  }
  return byName;
}

/** The process and its descendants that run now. */
export function processesOf(root: number): { readonly pid: number; readonly name: string }[] {
  const all = readAll();
  return [...all].flatMap(([pid, { name }]) => (descends(pid, root, all) ? [{ pid, name }] : []));
}

/** CPU seconds by name of program between two looks. */
export function cpuBetween(
  before: ReadonlyMap<string, Usage>,
  after: ReadonlyMap<string, Usage>,
): Record<string, number> {
  return Object.fromEntries(
    [...after].map(([name, { cpuSeconds }]) => [
      name,
      Math.round((cpuSeconds - (before.get(name)?.cpuSeconds ?? 0)) * 100) / 100,
    ]),
  );
}

function readAll(): Map<number, ProcessStat> {
  const all = new Map<number, ProcessStat>();
  for (const entry of readdirSync("/proc")) {
    const pid = Number(entry);
    const stat = Number.isInteger(pid) ? readStat(pid) : undefined;
    if (stat !== undefined) all.set(pid, stat);
  }
  return all;
}

/** Undefined for a process that has ended. */
function readStat(pid: number): ProcessStat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name stands in parentheses and may hold some itself.
    const end = text.lastIndexOf(")");
    const fields = text
      .slice(end + 2)
      .split(" ")
      .map(Number);
    const [, parent = 0] = fields;
    const [user = 0, system = 0] = fields.slice(11, 13);
    return {
      name: text.slice(text.indexOf("(") + 1, end),
      parent,
      cpuSeconds: (user + system) / ticksPerSecond,
      residentBytes: (fields[21] ?? 0) * pageBytes,
    };
  } catch {
    return undefined;
  }
}

function descends(pid: number, root: number, all: ReadonlyMap<number, ProcessStat>): boolean {
  for (let at: number | undefined = pid; at !== undefined && at > 1; at = all.get(at)?.parent) {
    if (at === root) return true;
  }
  return false;
}
