import { type Batch, payloadWidth } from "./envelope.ts";

/** The longest text that is kept of something quarantined, in characters. */
export const foundMax = 65_536;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * What an unreadable message held, as text, up to `foundMax` bytes of it; bytes that are no UTF-8
 * are replaced.
 */
export function messageText(data: Uint8Array): string {
  return decoder.decode(data.subarray(0, foundMax));
}

/**
 * A payload of a batch with the names of its actor, as JSON; empty when there is a list or an
 * object among its values, which may be deep or large.
 * @param charsMax its beginning, where it is longer than so many characters.
 */
export function payloadText(
  { actors, payloads }: Pick<Batch, "actors" | "payloads">,
  index: number,
  charsMax = Number.POSITIVE_INFINITY,
): string {
  const [number, ...values] = payloads.slice(index * payloadWidth, (index + 1) * payloadWidth);
  // Any value may stand there; turning a deeply nested one into a number would throw.
  const actor = typeof number === "number" ? number * 2 : -1;
  const found = [actors[actor], actors[actor + 1], ...values];
  if (found.some((value) => typeof value === "object" && value !== null)) return "";
  let text = "[";
  for (const value of found) {
    if (text.length > charsMax) break;
    text += text === "[" ? jsonStart(value, charsMax) : `,${jsonStart(value, charsMax)}`;
  }
  return `${text}]`.slice(0, charsMax);
}

/** The JSON of a value in a list; of a long text no more than is needed of it. */
function jsonStart(value: unknown, charsMax: number): string {
  if (typeof value !== "string" || value.length <= charsMax) return JSON.stringify(value) ?? "null";
  return JSON.stringify(value.slice(0, charsMax)).slice(0, -1);
}

/** A text that Postgres can store: without NUL and lone surrogates, and not too long. */
export function storableText(text: string): string {
  return text.slice(0, foundMax).toWellFormed().replaceAll("\0", "\uFFFD");
}
