/** Times and durations as arguments. */
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../domain/duration.ts";
import { parseTime } from "../http/timeText.ts";

/** Epoch ms. */
export function time(text: string): number {
  const timeMs = parseTime(text);
  if (timeMs !== undefined) return timeMs;
  throw new InvalidArgumentError("It must be like 2026-01-31T10:05:00Z, or ms since 1970.");
}

/** The length of a window, ms. */
export function windowLength(text: string): number {
  const windowMs = parseDuration(text) ?? 0;
  const dayMs = 86_400_000;
  if (windowMs >= 1_000 && dayMs % windowMs === 0) return windowMs;
  throw new InvalidArgumentError("It must be like 1m or 5m: 1s to 1d, and divide a day.");
}
