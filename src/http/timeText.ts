/** Times as requests write them. */
import type { PastMoment } from "../actors/historyPorts.ts";
import { timeMsMax } from "../domain/windows.ts";

const msDigits = 3;

const isoPattern = new RegExp(
  "^(\\d{4}-\\d{2}-(\\d{2}))" + // date; the day is compared below
    "(?:[Tt ](\\d{2}:\\d{2})(?::(\\d{2})(?:[.,](\\d{1,9}))?)?" + // time, optional seconds
    "([Zz]|[+ -]\\d{2}(?::?\\d{2})?)?)?$", // zone; Postgres writes +00
);

/**
 * Epoch ms of ISO 8601 or of a decimal number of epoch ms; undefined when it is neither. Without a
 * zone, UTC is meant. Digits beyond milliseconds round up, which keeps both "at or after" and
 * "before" right for windows, since those start at whole milliseconds.
 */
export function parseTime(text: string): number | undefined {
  const timeMs = /^\d{1,15}$/.test(text) ? Number(text) : parseIso(text);
  return timeMs !== undefined && timeMs >= 0 && timeMs <= timeMsMax ? timeMs : undefined;
}

/** A number below this is a position: in epoch ms it would be a day of 1973 or before. */
const positionMax = 100_000_000_000;

/** A time, or a position in the events of a partition; undefined when it is neither. */
export function parseMoment(text: string): PastMoment | undefined {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (number > 0 && number < positionMax) return { kind: "position", position: number };
  const timeMs = parseTime(text);
  return timeMs === undefined || timeMs < positionMax ? undefined : { kind: "time", timeMs };
}

function parseIso(text: string): number | undefined {
  const match = isoPattern.exec(text);
  if (match === null) return undefined;
  const [, date, day, minutes = "00:00", seconds = "00", fraction = "", zone = "Z"] = match;
  // A plus sign that was not percent-encoded arrives as a space.
  const offset = zone
    .toUpperCase()
    .replace(" ", "+")
    .replace(/(\d{2}):?(\d{2})?$/, (_, hours, minutes = "00") => `${hours}:${minutes}`);
  const dayMs = Date.parse(`${date}T00:00:00Z`);
  // The runtime takes the 30th of February for the 1st of March.
  if (Number.isNaN(dayMs) || new Date(dayMs).getUTCDate() !== Number(day)) return undefined;
  const secondMs = Date.parse(`${date}T${minutes}:${seconds}${offset}`);
  if (Number.isNaN(secondMs)) return undefined;
  const ms = Number(fraction.slice(0, msDigits).padEnd(msDigits, "0"));
  return secondMs + ms + (/[1-9]/.test(fraction.slice(msDigits)) ? 1 : 0);
}
