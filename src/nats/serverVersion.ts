/** What depends on the version of nats-server. */

type Version = readonly [number, number, number];

/** The oldest that we work with. */
export const versionMin: Version = [2, 9, 10];

/** True when `version`, like 2.9.10 or 2.12.0-beta, is `min` or newer. */
export function isAtLeast(version: string, min: Version): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [index, bound] of min.entries()) {
    const part = parts[index] ?? 0;
    if (part !== bound) return part > bound;
  }
  return true;
}

/** True when it can be told to flush every message to disk; before, it did so once a minute. */
export function canFlushAlways(version: string): boolean {
  return isAtLeast(version, [2, 10, 0]);
}
