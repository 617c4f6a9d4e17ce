/** Cuts the text of a batch into the texts of its payloads, without parsing them. */
import { endOfString } from "./payloadJson.ts";

type BatchRows =
  | { readonly kind: "rows"; readonly rows: readonly string[] }
  | { readonly kind: "tooMany" }
  /** Not an array; it may still be JSON of another kind. */
  | { readonly kind: "notAnArray" }
  /** Starts like an array and does not end like one. */
  | { readonly kind: "malformed" };

const notAnArray = { kind: "notAnArray" } as const;
const malformed = { kind: "malformed" } as const;
const tooMany = { kind: "tooMany" } as const;

/** One row a line, without the white space around it; blank lines are no rows. */
export function lineRows(text: string, rowsMax: number): BatchRows {
  const rows: string[] = [];
  for (let start = 0; start < text.length; ) {
    const found = text.indexOf("\n", start);
    const end = found === -1 ? text.length : found;
    const row = end === start ? "" : trimmed(text, start, end);
    if (row !== "") {
      if (rows.length === rowsMax) return tooMany;
      rows.push(row);
    }
    start = end + 1;
  }
  return { kind: "rows", rows };
}

/**
 * One row an element of a JSON array. The text is a JSON array if and only if the outcome is
 * `rows` and each row is JSON, so parsing the rows one by one loses nothing.
 */
export function arrayRows(text: string, rowsMax: number): BatchRows {
  const body = trimmed(text, 0, text.length);
  if (!body.startsWith("[")) return notAnArray;
  if (body.length < 2 || !body.endsWith("]")) return malformed;
  const last = body.length - 1;
  if (trimmed(body, 1, last) === "") return { kind: "rows", rows: [] };
  const rows: string[] = [];
  let depth = 0;
  let start = 1;
  for (let i = 1; i < last; i++) {
    const unit = body.charCodeAt(i);
    if (unit === 0x22) {
      i = endOfString(body, i) - 1;
    } else if (unit === 0x7b || unit === 0x5b) {
      depth++;
    } else if (unit === 0x7d || unit === 0x5d) {
      if (--depth < 0) return malformed;
    } else if (unit === 0x2c && depth === 0) {
      if (rows.length === rowsMax - 1) return tooMany;
      rows.push(trimmed(body, start, i));
      start = i + 1;
    }
  }
  if (depth !== 0) return malformed;
  rows.push(trimmed(body, start, last));
  return { kind: "rows", rows };
}

/** A part of a text, without the white space that JSON allows around a value; `trim` takes more. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isJsonSpace(text.charCodeAt(start))) start++;
  while (end > start && isJsonSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

export function isJsonSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09;
}
