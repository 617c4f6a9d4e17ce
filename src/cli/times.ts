/** Times and durations as arguments. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { formatDuration, parseDuration } from "../domain/duration.ts";
import { isWindowLength } from "../domain/windows.ts";
import { parseMoment, parseTime } from "../http/timeText.ts";

/** Epoch ms. */
export function time(text: string): number {
  const timeMs = parseTime(text);
  if (timeMs !== undefined) return timeMs;
  throw new InvalidArgumentError("It must be like 2026-01-31T10:05:00Z, or ms since 1970.");
}

/** A time, or a position of an event: as it was written, for the server to read. */
export function moment(text: string): string {
  if (parseMoment(text) !== undefined) return text;
  throw new InvalidArgumentError(
    "It must be a time like 2026-01-31T10:05:00Z, or a position from 1.",
  );
}

/** Ends a command whose range holds no time. */
export function checkRange(
  command: Command,
  { from, to }: { readonly from?: number; readonly to?: number },
): void {
  if (from !== undefined && to !== undefined && from >= to) {
    command.error("error: --to must be after --from");
  }
}

/** Any duration, ms. */
export const duration = durationFrom(1);

/** Reads a duration of a range, ms. */
function durationFrom(minMs: number, maxMs = Number.POSITIVE_INFINITY) {
  const from = formatDuration(minMs);
  const range = maxMs === Number.POSITIVE_INFINITY ? from : `${from} to ${formatDuration(maxMs)}`;
  return (text: string) => {
    const durationMs = parseDuration(text) ?? Number.NaN;
    if (durationMs >= minMs && durationMs <= maxMs) return durationMs;
    throw new InvalidArgumentError(`It must be like 90s, 5m or 24h, from ${range}.`);
  };
}

/** An option with a duration, whose default is shown as it is written. */
export function durationOption(
  flags: string,
  description: string,
  fallback: string,
  minMs: number,
  maxMs?: number,
): Option {
  const read = durationFrom(minMs, maxMs);
  return new Option(flags, description).argParser(read).default(read(fallback), fallback);
}

/** The length of a window, ms. */
export function windowLength(text: string): number {
  const windowMs = parseDuration(text) ?? 0;
  if (isWindowLength(windowMs)) return windowMs;
  throw new InvalidArgumentError("It must be like 1m or 5m: 1s to 1d, and divide a day.");
}
