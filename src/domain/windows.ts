/**
 * Tumbling windows: all of one length, aligned to the Unix epoch in UTC, start-inclusive and
 * end-exclusive. A window is named by its index: how many windows fit between the epoch and its
 * start.
 */

/** The index of the window that a time (epoch ms) belongs to. */
export function windowIndexOf(timeMs: number, windowMs: number): number {
  return Math.floor(timeMs / windowMs);
}

export function windowStartMs(index: number, windowMs: number): number {
  return index * windowMs;
}

/** The end of a window, which is its `time` in the tables. */
export function windowEndMs(index: number, windowMs: number): number {
  return (index + 1) * windowMs;
}

const dayMs = 86_400_000;

/** True for 1 s to 1 d, when it divides a day: then every day begins with a window. */
export function isWindowLength(windowMs: number): boolean {
  return Number.isInteger(windowMs) && windowMs >= 1_000 && dayMs % windowMs === 0;
}
