/** What a device sends, and what makes it acceptable. */
import { isObject } from "./json.ts";

export interface Payload {
  /** Unique id of the video session, made by the device. Never logged. */
  readonly token: string;
  readonly customer: string;
  readonly content: string;
  /** Milliseconds since the previous payload of the session. */
  readonly timespan: number;
  /** Bytes downloaded from peers since the previous payload. */
  readonly p2p: number;
  /** Bytes downloaded from the broadcaster's CDN since the previous payload. */
  readonly cdn: number;
  /** Milliseconds since the session began. */
  readonly sessionDuration: number;
}

/** One reason to refuse a payload: a JSON pointer into it, and a sentence that echoes no value. */
export interface FieldProblem {
  readonly pointer: string;
  readonly detail: string;
}

export type PayloadCheck =
  | { readonly ok: true; readonly payload: Payload }
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

export const textFields = ["token", "customer", "content"] as const;
export const integerFields = ["timespan", "p2p", "cdn", "sessionDuration"] as const;

/** The longest token or name, in bytes of UTF-8. */
export const textBytesMax = 512;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

/** Checks a parsed JSON value strictly, and lists every problem. Unknown fields are ignored. */
export function checkPayload(value: unknown): PayloadCheck {
  if (!isObject(value)) {
    return { ok: false, problems: [{ pointer: "", detail: "must be a JSON object" }] };
  }
  const { token, customer, content, timespan, p2p, cdn, sessionDuration } = value;
  if (
    isText(token) &&
    isText(customer) &&
    isText(content) &&
    isCount(timespan) &&
    isCount(p2p) &&
    isCount(cdn) &&
    isCount(sessionDuration)
  ) {
    // Adding 0 turns -0 into 0, so that equal payloads are written alike.
    const payload = {
      token,
      customer,
      content,
      timespan: timespan + 0,
      p2p: p2p + 0,
      cdn: cdn + 0,
      sessionDuration: sessionDuration + 0,
    };
    return { ok: true, payload };
  }
  const texts = textFields.map((name) => problem(name, textProblem(value[name])));
  const integers = integerFields.map((name) => problem(name, integerProblem(value[name])));
  return { ok: false, problems: [...texts, ...integers].filter((one) => one !== undefined) };
}

/** True for a text that can be kept byte for byte, everywhere: as a name and as a token. */
export function isText(value: unknown): value is string {
  return textProblem(value) === undefined;
}

/** True for a count of bytes or milliseconds that a JSON number carries exactly. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Why a value is no text that can be kept; undefined when it is one. */
export function textProblem(value: unknown): string | undefined {
  if (value === undefined) return "is missing";
  if (typeof value !== "string") return "must be a string";
  if (value === "") return "must not be empty";
  // A UTF-16 unit takes at most three bytes of UTF-8, so short texts need no counting.
  if (value.length * 3 > textBytesMax && Buffer.byteLength(value) > textBytesMax) {
    return `must be at most ${textBytesMax} bytes of UTF-8`;
  }
  if (controlCharacter.test(value)) return "must not hold control characters";
  if (!value.isWellFormed()) return "must not hold lone surrogates";
  return undefined;
}

function integerProblem(value: unknown): string | undefined {
  if (value === undefined) return "is missing";
  if (typeof value !== "number" || !Number.isInteger(value)) return "must be an integer";
  if (value < 0) return "must not be negative";
  if (!Number.isSafeInteger(value)) return "must be at most 9007199254740991";
  return undefined;
}

function problem(name: string, detail: string | undefined): FieldProblem | undefined {
  return detail === undefined ? undefined : { pointer: `/${name}`, detail };
}
