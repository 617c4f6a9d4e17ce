/**
 * Strict reading of one payload's JSON. `JSON.parse` keeps the last of two equal names silently;
 * which of two byte counts a device meant is not ours to guess, so such a payload is refused.
 */
import {
  checkPayload,
  type FieldProblem,
  integerFields,
  type PayloadCheck,
  textFields,
} from "../domain/payload.ts";

const fields: ReadonlySet<string> = new Set([...textFields, ...integerFields]);
const quotedFields = [...fields].map((name) => `"${name}"`);

const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** The payload that a text holds, every problem with it, or undefined when it is not JSON. */
export function readPayloadText(text: string): PayloadCheck | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const check = checkPayload(value);
  if (check.ok && holdsAtMostTenStrings(text)) return check;
  if (!mayRepeatFields(text)) return check;
  const repeated = repeatedFields(text);
  if (repeated.length === 0) return check;
  const problems: FieldProblem[] = repeated.map((name) => ({
    pointer: `/${name}`,
    detail: "must not be given more than once",
  }));
  return { ok: false, problems: check.ok ? problems : [...check.problems, ...problems] };
}

/**
 * A good payload holds seven names and three texts. One that holds no further string repeats no
 * name; escaped quotes only make the count larger. This is the quickest test, and what nearly
 * every device sends passes it.
 */
function holdsAtMostTenStrings(text: string): boolean {
  let quotes = 0;
  for (let at = text.indexOf('"'); at !== -1; at = text.indexOf('"', at + 1)) {
    if (++quotes > 20) return false;
  }
  return true;
}

/**
 * A quick test without false negatives: without a backslash a field's name can only stand as it
 * is, and it has to stand there twice.
 */
function mayRepeatFields(text: string): boolean {
  if (text.includes("\\")) return true;
  for (const name of quotedFields) {
    const first = text.indexOf(name);
    if (first !== -1 && text.indexOf(name, first + name.length) !== -1) return true;
  }
  return false;
}

/**
 * The payload fields that the top-level object of a JSON text names more than once.
 * @param text valid JSON; anything but an object repeats nothing.
 */
export function repeatedFields(text: string): readonly string[] {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  if (!text.trimStart().startsWith("{")) return [];
  let depth = 0;
  let nameComes = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case quote: {
        const end = endOfString(text, i);
        if (depth === 1 && nameComes) {
          const name: unknown = JSON.parse(text.slice(i, end));
          if (typeof name === "string" && fields.has(name)) {
            if (seen.has(name)) repeated.add(name);
            seen.add(name);
          }
          nameComes = false;
        }
        i = end - 1;
        break;
      }
      case openBrace:
      case openBracket:
        nameComes = ++depth === 1;
        break;
      case closeBrace:
      case closeBracket:
        depth--;
        break;
      case comma:
        nameComes = depth === 1;
        break;
    }
  }
  return [...repeated];
}

/** The index after the closing quote of the string that starts at `start`; the text's end if none. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end + 1;
}

/** True when an odd number of backslashes stands before `index`. */
function isEscaped(text: string, index: number): boolean {
  let first = index;
  while (text.charCodeAt(first - 1) === backslash) first--;
  return (index - first) % 2 === 1;
}
