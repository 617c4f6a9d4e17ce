import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkPayload, integerFields, textFields } from "../../src/domain/payload.ts";

const good = {
  token: "t",
  customer: "c",
  content: "n",
  timespan: 30_000,
  p2p: 0,
  cdn: 1,
  sessionDuration: 2,
};

/** The rules of a text, said as plainly as possible, to compare with. */
function isGoodText(text: string): boolean {
  const size = new TextEncoder().encode(text).length;
  const units = [...text];
  return (
    size >= 1 &&
    size <= 512 &&
    units.every((unit) => {
      const code = unit.codePointAt(0) ?? 0;
      const isControl = code < 0x20 || (code >= 0x7f && code <= 0x9f);
      return !isControl && !(code >= 0xd800 && code <= 0xdfff);
    })
  );
}

const anyText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary", minLength: 0, maxLength: 600, size: "max" }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 8 }).map((units) => {
    return String.fromCharCode(...units);
  }),
  fc
    .tuple(fc.constantFrom("a", "é", "€", "😀"), fc.integer({ min: 120, max: 520 }))
    .map(([unit, times]) => unit.repeat(times)),
);
const goodText = anyText.filter(isGoodText);
const goodCount = fc.maxSafeNat();
const payload = fc.record({
  token: goodText,
  customer: goodText,
  content: goodText,
  timespan: goodCount,
  p2p: goodCount,
  cdn: goodCount,
  sessionDuration: goodCount,
});
const badCount = fc.oneof(
  fc.maxSafeInteger().filter((value) => value < 0),
  fc.double().filter((value) => !Number.isSafeInteger(value)),
  fc.constantFrom(
    2 ** 53,
    Number.POSITIVE_INFINITY,
    Number.NaN,
    "1",
    null,
    undefined,
    true,
    [1],
    {},
  ),
);

describe("checkPayload", () => {
  test("keeps good payloads as they are, and nothing else of them", () => {
    fc.assert(
      fc.property(payload, fc.dictionary(fc.string(), fc.jsonValue()), (value, extra) => {
        const parsed: unknown = JSON.parse(JSON.stringify({ ...extra, ...value }));
        expect(checkPayload(parsed)).toEqual({ ok: true, payload: value });
      }),
    );
  });

  test("takes exactly the texts that the rules allow", () => {
    fc.assert(
      fc.property(anyText, fc.constantFrom(...textFields), (text, field) => {
        expect(checkPayload({ ...good, [field]: text }).ok).toBe(isGoodText(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test("names every field that is wrong, in a fixed order", () => {
    const fields = [...textFields, ...integerFields];
    fc.assert(
      fc.property(fc.subarray(fields, { minLength: 1 }), badCount, (wrong, bad) => {
        const value: Record<string, unknown> = { ...good };
        for (const field of wrong) {
          const isText = textFields.some((name) => name === field);
          value[field] = isText && typeof bad === "string" ? "" : bad;
        }
        const check = checkPayload(value);
        expect(check.ok).toBe(false);
        const pointers = check.ok ? [] : check.problems.map((problem) => problem.pointer);
        expect(pointers).toEqual(wrong.map((field) => `/${field}`));
      }),
      { numRuns: 1_000 },
    );
  });

  test("takes no value but an object", () => {
    fc.assert(
      fc.property(fc.oneof(fc.array(fc.anything()), fc.string(), fc.double()), (value) => {
        expect(checkPayload(value)).toMatchObject({ ok: false, problems: [{ pointer: "" }] });
      }),
    );
    expect(checkPayload(null).ok).toBe(false);
    expect(checkPayload(undefined).ok).toBe(false);
  });

  test("takes minus zero as zero", () => {
    const check = checkPayload({ ...good, cdn: -0 });
    expect(check.ok && Object.is(check.payload.cdn, 0)).toBe(true);
  });

  test("repeats no value in what it says", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), (secret) => {
        const check = checkPayload({ ...good, token: `${secret}\n`, cdn: secret });
        expect(JSON.stringify(check)).not.toContain(JSON.stringify(secret).slice(1, -1));
      }),
    );
  });
});
