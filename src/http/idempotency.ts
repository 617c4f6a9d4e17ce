/**
 * What `Idempotency-Key` means: a repeat is the same payload, at the same place in the request,
 * under the same key. A different payload under a known key is counted, because it was answered
 * 202 and nothing answered 202 is dropped.
 */
import { hash32, highSeed, lowSeed } from "../domain/digest.ts";
import type { Payload } from "../domain/payload.ts";
import { Problem } from "./problem.ts";

/** The key of a request; undefined when it has none. */
export function idempotencyKey(headers: Headers): string | undefined | Problem {
  const key = headers.get("idempotency-key");
  if (key === null) return undefined;
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  return new Problem(
    "invalid-idempotency-key",
    "Idempotency-Key must be 1 to 255 visible ASCII characters.",
  );
}

/** 64 bits, as 16 hexadecimal digits, of the key, the place in the request and every field. */
export function keyDigest(key: string, index: number, payload: Payload): string {
  const { token, customer, content, timespan, p2p, cdn, sessionDuration } = payload;
  // JSON keeps the parts apart whatever they hold.
  const text = JSON.stringify([
    key,
    index,
    token,
    customer,
    content,
    timespan,
    p2p,
    cdn,
    sessionDuration,
  ]);
  return hex(hash32(text, highSeed)) + hex(hash32(text, lowSeed));
}

function hex(half: number): string {
  return half.toString(16).padStart(8, "0");
}
