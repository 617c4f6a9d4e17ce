/** The longest text that is kept of something quarantined, in characters. */
export const foundMax = 65_536;

/** What an unreadable message held, as text; bytes that are no UTF-8 are replaced. */
export function messageText(data: Uint8Array): string {
  return new TextDecoder().decode(data.subarray(0, foundMax));
}

/** A malformed payload with the names of its actor, as JSON. */
export function payloadText(values: readonly unknown[]): string {
  try {
    return JSON.stringify(values);
  } catch {
    // What is nested very deeply can be parsed, but not written.
    return "";
  }
}

/** A text that Postgres can store: without NUL and lone surrogates, and not too long. */
export function storableText(text: string): string {
  return text.slice(0, foundMax).toWellFormed().replaceAll("\0", "\uFFFD");
}
