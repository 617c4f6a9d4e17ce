/** The longest text that is kept of something quarantined, in characters. */
export const foundMax = 65_536;

/** What an unreadable message held, as text; bytes that are no UTF-8 are replaced. */
export function messageText(data: Uint8Array): string {
  return new TextDecoder().decode(data.subarray(0, foundMax));
}

/** Deeper than any payload, and far from where writing takes seconds, or overflows the stack. */
const levelsMax = 16;

/** A malformed payload with the names of its actor, as JSON; empty when it is nested deeply. */
export function payloadText(values: readonly unknown[]): string {
  return isShallow(values, levelsMax) ? JSON.stringify(values) : "";
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

/** A text that Postgres can store: without NUL and lone surrogates, and not too long. */
export function storableText(text: string): string {
  return text.slice(0, foundMax).toWellFormed().replaceAll("\0", "\uFFFD");
}
