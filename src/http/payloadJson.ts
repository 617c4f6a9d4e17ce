/**
 * Strict reading of one payload's JSON. `JSON.parse` keeps the last of two equal names silently;
 * which of two byte counts a device meant is not ours to guess, so such a payload is refused. It
 * also rounds, so that a fraction may look like an integer: the text itself is asked.
 */
import { parseJson } from "../domain/json.ts";
import {
  checkPayload,
  type FieldProblem,
  integerFields,
  type Payload,
  type PayloadCheck,
  textBytesMax,
  textFields,
} from "../domain/payload.ts";

const fields: ReadonlySet<string> = new Set([...textFields, ...integerFields]);
const integers: ReadonlySet<string> = new Set(integerFields);
const quotedFields = [...fields].map((name) => `"${name}"`);

const quote = 0x22;
const comma = 0x2c;
const zero = 0x30;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** The payload that a text holds, every problem with it, or undefined when it is not JSON. */
export function readPayloadText(text: string): PayloadCheck | undefined {
  if (!plainPayload.test(text)) return readAnyPayload(text);
  const payload: Payload = JSON.parse(text);
  return { ok: true, payload };
}

/**
 * A good payload as devices write it: its seven fields in this order and no others, texts that are
 * kept as they stand and are short in any case, integers that are safe in any case. White space may
 * stand wherever JSON has it. This is a quick proof for nearly every payload there is, and not a
 * rule: `readAnyPayload` decides about everything else, and would find the same.
 */
const plainPayload = (() => {
  const space = "[\\t\\n\\r ]*";
  const textUnitsMax = Math.floor(textBytesMax / 3);
  const text = `"[^"\\\\\\u0000-\\u001f\\u007f-\\u009f\\ud800-\\udfff]{1,${textUnitsMax}}"`;
  const integer = "(?:0|[1-9][0-9]{0,14})";
  const field = (name: string, value: string) => `"${name}"${space}:${space}${value}`;
  const members = [
    ...textFields.map((name) => field(name, text)),
    ...integerFields.map((name) => field(name, integer)),
  ].join(`${space},${space}`);
  return new RegExp(`^${space}\\{${space}${members}${space}\\}${space}$`);
})();

function readAnyPayload(text: string): PayloadCheck | undefined {
  const value = parseJson(text);
  if (value === undefined) return undefined;
  const check = checkPayload(value);
  if (check.ok && !roundable.test(text) && !mayRepeatFields(text)) return check;
  const seen = new Set<string>();
  const repeated = new Set<string>();
  const fractions = new Set<string>();
  for (const { name, end } of namesOf(text)) {
    if (!fields.has(name)) continue;
    if (seen.has(name)) repeated.add(name);
    seen.add(name);
    if (integers.has(name) && isFraction(text, end)) fractions.add(name);
  }
  if (repeated.size + fractions.size === 0) return check;
  const known = check.ok ? [] : check.problems;
  const isNew = (name: string) => !known.some(({ pointer }) => pointer === `/${name}`);
  return {
    ok: false,
    problems: [
      ...known,
      ...[...fractions].filter(isNew).map((name) => toProblem(name, "must be an integer")),
      ...[...repeated].map((name) => toProblem(name, "must not be given more than once")),
    ],
  };
}

/**
 * Finds every number of an object that has a point or an exponent, and little else. Integers
 * without them need no second look: those that `JSON.parse` rounds are too large in any case.
 */
const roundable = /:[\t\n\r ]*-?[0-9]+[.eE]/;

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

function toProblem(name: string, detail: string): FieldProblem {
  return { pointer: `/${name}`, detail };
}

/** True when the value of the name that ends before `end` is a number with a fraction. */
function isFraction(text: string, end: number): boolean {
  numberValue.lastIndex = end;
  const [, whole, fraction = "", exponent = "0"] = numberValue.exec(text) ?? [];
  return whole !== undefined && !isInteger(whole, fraction, Number(exponent));
}

/** What follows the name of a number: its digits before and after the point, and its exponent. */
const numberValue = /[\t\n\r ]*:[\t\n\r ]*-?([0-9]+)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?/y;

/** Exactly, whatever the number of digits: its last digit but zeros stands before the point. */
function isInteger(whole: string, fraction: string, exponent: number): boolean {
  const digits = whole + fraction;
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === zero) end--;
  return end === 0 || end <= whole.length + exponent;
}

/** The names of the top-level object of a JSON text, and the index after each. */
function* namesOf(text: string): Generator<{ readonly name: string; readonly end: number }> {
  if (!text.trimStart().startsWith("{")) return;
  let depth = 0;
  let nameComes = false;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case quote: {
        const end = endOfString(text, i);
        if (depth === 1 && nameComes) {
          const name: unknown = JSON.parse(text.slice(i, end));
          if (typeof name === "string") yield { name, end };
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
}

/**
 * The index after the closing quote of the string that starts at `start`; the text's end if none.
 */
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
