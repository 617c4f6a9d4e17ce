import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { integerFields, textFields } from "../../src/domain/payload.ts";
import { readPayloadText, repeatedFields } from "../../src/http/json.ts";
import { goodPayload } from "../support/ingestServer.ts";

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

/** The text of an object with these entries, and the names that it repeats, counted naively. */
const objectText = fc.array(entry, { maxLength: 12 }).map((entries) => {
  const members = entries.map(
    (one) =>
      `${one.space}${quoted(one.name, one.escaped)}${one.space}:${JSON.stringify(one.value)}`,
  );
  const names = entries.map((one) => one.name);
  const repeated = fields.filter((field) => names.filter((one) => one === field).length > 1);
  return { text: `{${members.join(",")}}`, repeated: repeated.sort() };
});

describe("repeated fields", () => {
  test("are found exactly as by counting the names of the object", () => {
    fc.assert(
      fc.property(objectText, ({ text, repeated }) => {
        expect([...repeatedFields(text)].sort()).toEqual(repeated);
      }),
      { numRuns: 2_000 },
    );
  });

  test("are found by the quick tests too, and in good payloads", () => {
    const extras = fc.array(entry, { maxLength: 4 });
    fc.assert(
      fc.property(extras, fc.boolean(), fc.nat(), (entries, escaped, at) => {
        const members = Object.entries(goodPayload).map(
          ([field, fieldValue]) => `${quoted(field, escaped)}:${JSON.stringify(fieldValue)}`,
        );
        // The good value comes last where a name repeats, so that only the repetition is wrong.
        const extra = entries.map(
          (one) => `${quoted(one.name, one.escaped)}:${JSON.stringify(one.value)}`,
        );
        const text = `{${[...extra, ...members].join(at % 2 === 0 ? "," : " , ")}}`;
        const repeats = entries.some((one) => fields.includes(one.name));
        expect(readPayloadText(text)?.ok).toBe(!repeats);
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
    const text = JSON.stringify({ extra: { cdn: 1 }, ...goodPayload, more: [{ token: "t" }] });
    expect(readPayloadText(text)?.ok).toBe(true);
  });

  test("cost linear time, whatever the text", () => {
    const hostile = [
      `{"a":"${'\\"'.repeat(30_000)}"}`,
      `{"a":"${"\\\\".repeat(30_000)}"}`,
      `{${'"cdn":1,'.repeat(8_000)}"cdn":1}`,
      "[".repeat(30_000) + "]".repeat(30_000),
    ];
    for (const text of hostile) {
      const start = performance.now();
      readPayloadText(text);
      expect(performance.now() - start).toBeLessThan(500);
    }
  });
});
