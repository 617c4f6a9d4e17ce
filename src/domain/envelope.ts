/**
 * The messages of the log of payloads: a batch of payloads (micro-batch, group commit), a tick, or
 * a retry.
 * A batch is one JSON object whose payloads are one flat array, six values each, because that is
 * the form which JSON.parse and JSON.stringify handle fastest:
 *
 *   {"v":1,"publisher":"a1b2","number":7,
 *    "actors":["Customer1","channel1"],
 *    "payloads":[0,"token",30000,0,1,2],
 *    "keys":[0,"00ab34cd00ab34cd"]}
 *
 * `payloads` holds: index of the actor, token, timespan, p2p, cdn, sessionDuration.
 * `keys` holds, for payloads sent with an Idempotency-Key: index of the payload, digest (16 hex).
 * `publisher` and `number` make a repeated message recognisable: every publisher numbers the
 * messages it sends to a partition upwards and has one in flight at a time.
 *
 * A retry carries a message out of quarantine, as it was, in base64. It goes by a name (decision
 * 0012), since its publisher has long sent later numbers:
 *
 *   {"v":1,"retry":"7.1042.3","message":"eyJ2IjoxLA…"}
 */
import { isObject, parseJson } from "./json.ts";
import type { Payload } from "./payload.ts";
import { isCount, isText } from "./payload.ts";

const envelopeVersion = 1;
/** Values that a payload takes in the flat array. */
export const payloadWidth = 6;

export interface Batch {
  readonly kind: "batch";
  readonly publisher: string;
  readonly number: number;
  /** The name under which it was retried; undefined when a publisher sent it. */
  readonly retry?: string;
  /** Customer and content of each actor, alternating. */
  readonly actors: readonly unknown[];
  readonly payloads: readonly unknown[];
  readonly keys: readonly unknown[];
}

/** Proves that everything before it has been read, and moves stream time past a window's end. */
interface Tick {
  readonly kind: "tick";
}

/** A message that is neither, and why. It goes to quarantine whole. */
interface Unreadable {
  readonly kind: "unreadable";
  readonly reason: string;
}

const tickText = `{"v":${envelopeVersion},"tick":true}`;

export function encodeTick(): string {
  return tickText;
}

/** @param name under which it counts, once. */
export function encodeRetry(name: string, message: Uint8Array): string {
  const text = Buffer.from(message).toString("base64");
  return JSON.stringify({ v: envelopeVersion, retry: name, message: text });
}

/** The name of a retry that may be of a later version; undefined for another message. */
export function nameOfRetry(message: Uint8Array): string | undefined {
  const parsed = parseJson(Buffer.from(message).toString());
  return isObject(parsed) && isText(parsed.retry) ? parsed.retry : undefined;
}

/** A batch of one payload, from the form in which `payloadText` keeps it; undefined for another. */
export function encodeFound(found: string): Uint8Array | undefined {
  const values = parseJson(found);
  if (!Array.isArray(values)) return undefined;
  const [customer, content, ...payload] = values;
  if (payload.length !== payloadWidth - 1) return undefined;
  const batch = {
    v: envelopeVersion,
    publisher: "quarantine",
    number: 1,
    actors: [customer, content],
    payloads: [0, ...payload],
  };
  return new TextEncoder().encode(JSON.stringify(batch));
}

/** Collects payloads for one message. */
export class BatchBuilder {
  readonly #actorIndexes = new Map<string, Map<string, number>>();
  readonly #actors: string[] = [];
  readonly #payloads: (string | number)[] = [];
  readonly #keys: (string | number)[] = [];
  #count = 0;
  #bytes = 0;

  /** How many payloads it holds. */
  get count(): number {
    return this.#count;
  }

  /** An upper estimate of the encoded size, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a payload and returns its index. `keyDigest` belongs to its Idempotency-Key. */
  add(payload: Payload, keyDigest?: string): number {
    const { token, customer, content, timespan, p2p, cdn, sessionDuration } = payload;
    const actor = this.#actorIndex(customer, content);
    this.#payloads.push(actor, token, timespan, p2p, cdn, sessionDuration);
    const index = this.#count++;
    this.#bytes += encodedBytesMax(token) + 4 * 17 + 16;
    if (keyDigest !== undefined) {
      this.#keys.push(index, keyDigest);
      this.#bytes += 32;
    }
    return index;
  }

  encode(publisher: string, number: number): string {
    const batch = {
      v: envelopeVersion,
      publisher,
      number,
      actors: this.#actors,
      payloads: this.#payloads,
      ...(this.#keys.length > 0 && { keys: this.#keys }),
    };
    return JSON.stringify(batch);
  }

  #actorIndex(customer: string, content: string): number {
    let contents = this.#actorIndexes.get(customer);
    if (contents === undefined) {
      contents = new Map();
      this.#actorIndexes.set(customer, contents);
    }
    let index = contents.get(content);
    if (index === undefined) {
      index = this.#actors.length / 2;
      contents.set(content, index);
      this.#actors.push(customer, content);
      this.#bytes += encodedBytesMax(customer) + encodedBytesMax(content);
    }
    return index;
  }
}

/** Quotes and comma included; accepted texts hold no control characters, so 3 bytes a unit do. */
function encodedBytesMax(text: string): number {
  return text.length * 3 + 3;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Reads a message. Values inside a batch are left to who applies it. */
export function decodeMessage(data: Uint8Array): Batch | Tick | Unreadable {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(data));
  } catch {
    return { kind: "unreadable", reason: "the message is not JSON" };
  }
  if (typeof parsed !== "object" || parsed === null || !("v" in parsed)) {
    return { kind: "unreadable", reason: "the message is not an envelope" };
  }
  if (parsed.v !== envelopeVersion) {
    return { kind: "unreadable", reason: "the envelope has an unknown version" };
  }
  if ("tick" in parsed) return { kind: "tick" };
  if ("retry" in parsed) return decodeRetry(parsed);
  const { publisher, number, actors, payloads, keys = [] } = parsed as Record<string, unknown>;
  if (
    !isText(publisher) ||
    !isCount(number) ||
    !Array.isArray(actors) ||
    !Array.isArray(payloads) ||
    !Array.isArray(keys) ||
    actors.length % 2 !== 0 ||
    payloads.length % payloadWidth !== 0
  ) {
    return { kind: "unreadable", reason: "the batch is malformed" };
  }
  return { kind: "batch", publisher, number, actors, payloads, keys };
}

/** A retried message may itself be one, which counts under the name of the last retry. */
function decodeRetry(parsed: { readonly retry: unknown }): Batch | Unreadable {
  const { retry } = parsed;
  const message = "message" in parsed ? parsed.message : undefined;
  if (!isText(retry) || typeof message !== "string") {
    return { kind: "unreadable", reason: "the retry is malformed" };
  }
  const decoded = decodeMessage(Buffer.from(message, "base64"));
  if (decoded.kind === "batch") return { ...decoded, retry };
  if (decoded.kind === "unreadable") return decoded;
  return { kind: "unreadable", reason: "the retry holds no payloads" };
}
