import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { integerFields, textFields } from "../../src/domain/payload.ts";
import { readPayloadText } from "../../src/http/payloadJson.ts";
import { examplePayload } from "../support/api.ts";

const fields: readonly string[] = [...textFields, ...integerFields];

/** A JSON string in which some characters are written as escapes. */
function quoted(text: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(text);
  const units = [...Array(text.length).keys()].map((i) => text.charCodeAt(i));
  return `"${units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("")}"`;
}

const name = fc.oneof(fc.constantFrom(...fields), fc.string(), fc.constant("__proto__"));
const trickyText = fc.constantFrom('"cdn"', '\\"cdn":', "\\", '"', "{", "]", ",", "cdn");
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  trickyText,
  fc.constantFrom(...fields),
  fc.dictionary(fc.constantFrom(...fields), fc.nat()),
);
const space = fc.constantFrom("", " ", "\n\t ");
const entry = fc.record({ name, escaped: fc.boolean(), value, space });

const goodEntries = fc.tuple(
  ...Object.entries(examplePayload).map(([field, good]) =>
    fc.record({
      ...{ name: fc.constant(field), escaped: fc.boolean() },
      ...{ value: fc.constant(good), space },
    }),
  ),
);

/**
 * The text of an object, and the names that it repeats, counted naively. In one that is otherwise
 * good every field comes last with a good value, so that only repetition can be wrong.
 */
const objectText = fc
  .record({
    some: fc.array(entry, { maxLength: 12 }),
    good: goodEntries,
    isGoodOtherwise: fc.boolean(),
  })
  .map(({ some, good, isGoodOtherwise }) => {
    const entries = isGoodOtherwise ? [...some, ...good] : some;
    const members = entries.map(
      (one) =>
        `${one.space}${quoted(one.name, one.escaped)}${one.space}:${JSON.stringify(one.value)}`,
    );
    const names = entries.map((one) => one.name);
    const repeated = fields.filter((field) => names.filter((one) => one === field).length > 1);
    return { text: `{${members.join(",")}}`, repeated: repeated.sort(), isGoodOtherwise };
  });

describe("repeated fields", () => {
  test("are found exactly as by counting the names of the object", () => {
    fc.assert(
      fc.property(objectText, ({ text, repeated, isGoodOtherwise }) => {
        const check = readPayloadText(text);
        const problems = check?.ok === false ? check.problems : [];
        const found = problems
          .filter(({ detail }) => detail === "must not be given more than once")
          .map(({ pointer }) => pointer.slice(1));
        expect(found.sort()).toEqual(repeated);
        if (isGoodOtherwise) expect(check?.ok).toBe(repeated.length === 0);
      }),
      { numRuns: 2_000 },
    );
  });

  test("are listed once each, beside other problems", () => {
    const check = readPayloadText('{"cdn":1,"cdn":"1","cdn":2,"c\\u0064n":3,"p2p":-1}');
    expect(check).toMatchObject({ ok: false });
    if (check === undefined || check.ok) return;
    const pointers = check.problems.map((problem) => problem.pointer);
    expect(pointers.filter((pointer) => pointer === "/cdn")).toHaveLength(1);
    expect(pointers).toContain("/p2p");
    expect(pointers).toContain("/token");
  });

  test("inside of unknown fields are not ours", () => {
    const text = JSON.stringify({ extra: { cdn: 1 }, ...examplePayload, more: [{ token: "t" }] });
    expect(readPayloadText(text)?.ok).toBe(true);
  });

  test("cost linear time, whatever the text", () => {
    const hostile = [
      `{"a":"${'\\"'.repeat(30_000)}"}`,
      `{"a":"${"\\\\".repeat(30_000)}"}`,
      `{${'"cdn":1,'.repeat(8_000)}"cdn":1}`,
      "[".repeat(30_000) + "]".repeat(30_000),
      `{"cdn":1${"0".repeat(60_000)}1e-1}`,
      `{"cdn":0.${"0".repeat(60_000)}1}`,
      `{"a":"${":1".repeat(30_000)}","b":1.5}`,
      `{"a":"${": ".repeat(30_000)}","b":1.5}`,
    ];
    for (const text of hostile) {
      const start = performance.now();
      readPayloadText(text);
      expect(performance.now() - start).toBeLessThan(500);
    }
  });
});

/** Digits of numbers near where a double begins to round, and any others. */
const digits = fc.oneof(
  fc.constantFrom("0", "00", "5", "9007199254740991", "9007199254740992", "99999999999999999"),
  fc
    .array(fc.constantFrom(..."0123456789"), { minLength: 1, maxLength: 20 })
    .map((a) => a.join("")),
);
const numberParts = fc.record({
  sign: fc.constantFrom("", "", "", "-"),
  whole: digits.map((text) => text.replace(/^0+(?=.)/, "")),
  fraction: fc.option(digits, { nil: "" }),
  exponent: fc.option(fc.oneof(fc.integer({ min: -25, max: 25 }), fc.constant(-400)), { nil: 0 }),
  e: fc.constantFrom("e", "E", "e+", "E0"),
});

/** The integer that these parts are, in exact arithmetic; undefined when they are a fraction. */
function exactInteger(whole: string, fraction: string, exponent: number): bigint | undefined {
  const value = BigInt(whole + fraction);
  const power = exponent - fraction.length;
  if (power >= 0) return value * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  return value % divisor === 0n ? value / divisor : undefined;
}

const oddText = fc.oneof(
  fc.constantFrom('"\\u0061"', '"a\\/b"', '"a\\"b"', '"a\\"', '""', "7"),
  fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
  fc
    .string({ unit: fc.constantFrom(...'aü{/\\"\u007f\u0085\ud800\u0000\udc00\n'), maxLength: 3 })
    .map((text) => `"${text}"`),
  fc.integer({ min: 165, max: 260 }).map((length) => `"${"ü".repeat(length)}"`),
);
const oddNumber = fc.constantFrom(
  ...["", "-0", "00", "07", "-1", "1.0", "1e2", "1.5", '"1"', "null", "1 2"],
  ...["999999999999999", "9007199254740991", "9007199254740992", "9".repeat(30)],
);

test("payloads are read alike in the quick way and in the thorough one", () => {
  const odd = fc.oneof(
    fc.record({ at: fc.nat(2), source: oddText }),
    fc.record({ at: fc.integer({ min: 3, max: 6 }), source: oddNumber }),
  );
  const source = fc.record({
    odds: fc.array(odd, { maxLength: 2 }),
    number: fc.maxSafeNat(),
    space: fc.constantFrom("", " ", "\n\t\r ", "\u00a0"),
    end: fc.constantFrom("", "", "", "", ",", "}", ',"more":1', ',"cdn":1'),
  });
  const found = { good: 0, bad: 0 };
  fc.assert(
    fc.property(source, ({ odds, number, space, end }) => {
      const values = [
        ...textFields.map((text) => `"${text}"`),
        ...integerFields.map(() => `${number}`),
      ];
      for (const { at, source } of odds) values[at] = source;
      const write = (names: readonly string[]) => {
        const members = names.map((one, i) => `"${one}"${space}:${space}${values[i]}`);
        return `${space}{${space}${members.join(`${space},${space}`)}${end}${space}}${space}`;
      };
      const quick = readPayloadText(write(fields));
      // An escape in a name is never quick, and means the same.
      const [first = "", ...others] = fields;
      const thorough = readPayloadText(write([first.replace("o", "\\u006f"), ...others]));
      expect(quick).toEqual(thorough);
      found[quick?.ok ? "good" : "bad"]++;
    }),
    { numRuns: 10_000 },
  );
  expect(Math.min(found.good, found.bad)).toBeGreaterThan(500);
});

describe("integers", () => {
  test("are the numbers that are integers exactly, however they are written", () => {
    fc.assert(
      fc.property(numberParts, fc.constantFrom(...integerFields), space, (parts, field, gap) => {
        const { sign, whole, fraction, exponent, e } = parts;
        const mark = exponent < 0 ? "e" : e;
        const number = `${sign}${whole}${fraction && `.${fraction}`}${exponent === 0 ? "" : mark + exponent}`;
        const rest = JSON.stringify({ ...examplePayload, [field]: undefined }).slice(1);
        const check = readPayloadText(`{"${field}"${gap}:${gap}${number}${gap},${rest}`);
        const exact = exactInteger(whole, fraction, exponent);
        const isGood =
          exact !== undefined &&
          exact <= BigInt(Number.MAX_SAFE_INTEGER) &&
          (sign === "" || exact === 0n);
        expect(check?.ok).toBe(isGood);
        if (check?.ok) expect(BigInt(check.payload[field])).toBe(exact ?? -1n);
      }),
      { numRuns: 10_000 },
    );
  });

  const good = JSON.stringify(examplePayload);
  const withCdn = (number: string) =>
    JSON.stringify({ ...examplePayload, cdn: 0.25 }).replace("0.25", number);

  test.each(["1.0", "1e3", "9007199254740991", "9007199254740991.0", "0.5e1", "-0.0", "0e-999"])(
    "are accepted as %s",
    (number) =>
      expect(readPayloadText(withCdn(number))).toMatchObject({
        ok: true,
        payload: { cdn: Number(number) + 0 },
      }),
  );

  test.each([
    ["9007199254740991.4", "must be an integer"],
    ["0.99999999999999999", "must be an integer"],
    ["1e-400", "must be an integer"],
    ["-1e-400", "must be an integer"],
    ["1.5", "must be an integer"],
    ["9007199254740992", "must be at most 9007199254740991"],
    ["9007199254740992.0", "must be at most 9007199254740991"],
  ])("are not %s", (number, detail) => {
    expect(readPayloadText(withCdn(number))).toEqual({
      ok: false,
      problems: [{ pointer: "/cdn", detail }],
    });
  });

  test("are looked for in the payload's own fields, and beside other problems", () => {
    const extra = '"extra":{"cdn":0.99999999999999999},"share":0.5,"name":"x\\":1.5",';
    expect(readPayloadText(`{${extra}${good.slice(1)}`)?.ok).toBe(true);
    const bad = '{"p2p":1e-400,"cdn":1,"c\\u0064n":0.99999999999999999,"timespan":"1"}';
    const check = readPayloadText(bad);
    const problems = check?.ok === false ? check.problems : [];
    expect(problems.map(({ pointer }) => pointer)).toEqual([
      "/token",
      "/customer",
      "/content",
      "/timespan",
      "/sessionDuration",
      "/p2p",
      "/cdn",
      "/cdn",
    ]);
  });
});
