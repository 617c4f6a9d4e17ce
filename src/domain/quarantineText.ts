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

/** Deeper than any payload, and far from where writing takes seconds, or overflows the stack. */
const levelsMax = 16;

/** A payload of a batch with the names of its actor, as JSON; empty when it is nested deeply. */
export function payloadText(
  { actors, payloads }: Pick<Batch, "actors" | "payloads">,
  index: number,
): string {
  const [number, ...values] = payloads.slice(index * payloadWidth, (index + 1) * payloadWidth);
  // Any value may stand there; turning a deeply nested one into a number would throw.
  const actor = typeof number === "number" ? number * 2 : -1;
  const found = [actors[actor], actors[actor + 1], ...values];
  return isShallow(found, levelsMax) ? JSON.stringify(found) : "";
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

/** A text that Postgres can store: without NUL and lone surrogates, and not too long. */
export function storableText(text: string): string {
  return text.slice(0, foundMax).toWellFormed().replaceAll("\0", "\uFFFD");
}
