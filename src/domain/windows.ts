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

/** The last boundary at or before a time; of windows, or of buckets of them. */
export function floorTo(timeMs: number, windowMs: number): number {
  return Math.floor(timeMs / windowMs) * windowMs;
}

/** The first boundary at or after a time. */
export function ceilTo(timeMs: number, windowMs: number): number {
  return Math.ceil(timeMs / windowMs) * windowMs;
}

/** The end of the year 9999, the last that ISO 8601 writes with four digits: after any window. */
export const timeMsMax = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

export const dayMs = 86_400_000;

/** True for 1 s to 1 d, when it divides a day: then every day begins with a window. */
export function isWindowLength(windowMs: number): boolean {
  return Number.isInteger(windowMs) && windowMs >= 1_000 && dayMs % windowMs === 0;
}
