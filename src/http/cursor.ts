/**
 * Cursors: the place in the rows from which the next page goes on. They are opaque to clients and
 * hold what they were given for, because with other filters the pages would not fit together.
 */
import type { RowKey } from "../actors/readPorts.ts";
import { hash32, highSeed, lowSeed } from "../domain/digest.ts";
import { isCount, isText } from "../domain/payload.ts";

const cursorVersion = 1;
const cursorCharsMax = 8_192;

/** @param filters whatever the order and the choice of rows depends on. */
export function encodeCursor(key: RowKey, filters: readonly unknown[]): string {
  const parts = [cursorVersion, fingerprint(filters), key.timeMs, key.customer, key.content];
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** Undefined when the text is no cursor; `"other"` when it was given for other filters. */
export function decodeCursor(
  text: string,
  filters: readonly unknown[],
): RowKey | "other" | undefined {
  if (text.length > cursorCharsMax || !/^[\w-]+$/.test(text)) return undefined;
  const parts = parse(Buffer.from(text, "base64url").toString());
  if (!Array.isArray(parts)) return undefined;
  const [version, filtersThen, timeMs, customer, content] = parts;
  if (version !== cursorVersion || !isCount(timeMs)) return undefined;
  if (!isText(customer) || !isText(content)) return undefined;
  return filtersThen === fingerprint(filters) ? { timeMs, customer, content } : "other";
}

function fingerprint(filters: readonly unknown[]): string {
  const text = JSON.stringify(filters);
  return `${hash32(text, highSeed).toString(36)}.${hash32(text, lowSeed).toString(36)}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
