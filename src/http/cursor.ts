/**
 * Cursors: the place in a list from which the next page goes on. They are opaque to clients and
 * hold what they were given for, because with other filters the pages would not fit together.
 */
import type { ActorName } from "../domain/actorName.ts";
import { hash32, highSeed, lowSeed } from "../domain/digest.ts";
import { parseJson } from "../domain/json.ts";
import { isText } from "../domain/payload.ts";
import type { QueryReader } from "./queryParams.ts";

const cursorVersion = 2;
const cursorCharsMax = 8_192;

/** The last row of a page: what its list is ordered by, then its names. */
interface CursorKey extends ActorName {
  /** In digits. */
  readonly order: string;
}

/** @param filters whatever the order and the choice of rows depends on. */
export function encodeCursor(key: CursorKey, filters: readonly unknown[]): string {
  const { order, customer, content } = key;
  const parts = [cursorVersion, fingerprint(filters), order, customer, content];
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** The parameter `cursor`; it is refused when it is none, or was given for other filters. */
export function readCursor(
  reader: QueryReader,
  filters: readonly unknown[],
): CursorKey | undefined {
  const text = reader.text("cursor");
  if (text === undefined) return undefined;
  const cursor = decodeCursor(text, filters);
  if (cursor === undefined) return reader.refuse("cursor", "is no cursor of an earlier answer");
  if (cursor !== "other") return cursor;
  return reader.refuse("cursor", "belongs to a page of other filters or another order");
}

/** Undefined when the text is no cursor; `"other"` when it was given for other filters. */
function decodeCursor(text: string, filters: readonly unknown[]): CursorKey | "other" | undefined {
  if (text.length > cursorCharsMax || !/^[\w-]+$/.test(text)) return undefined;
  const parts = parseJson(Buffer.from(text, "base64url").toString());
  if (!Array.isArray(parts)) return undefined;
  const [version, filtersThen, order, customer, content] = parts;
  if (version !== cursorVersion) return undefined;
  if (typeof order !== "string" || !/^\d{1,40}$/.test(order)) return undefined;
  if (!isText(customer) || !isText(content)) return undefined;
  if (filtersThen !== fingerprint(filters)) return "other";
  return { order, customer, content };
}

function fingerprint(filters: readonly unknown[]): string {
  const text = JSON.stringify(filters);
  return `${hash32(text, highSeed).toString(36)}.${hash32(text, lowSeed).toString(36)}`;
}
