import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { payloadText } from "../../src/domain/quarantineText.ts";

describe("the text of a payload", () => {
  test("is its JSON, or the beginning of it", () => {
    const value = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.double(),
      fc.constantFrom(null, true),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 7, maxLength: 7 }), fc.nat(120), (values, most) => {
        const [customer, content, ...payload] = values;
        const batch = { actors: [customer, content], payloads: [0, ...payload] };
        const whole = JSON.stringify(values);
        expect(payloadText(batch, 0)).toBe(whole);
        expect(payloadText(batch, 0, most)).toBe(whole.slice(0, most));
      }),
    );
  });

  test("is empty where there is a list or an object, however deep or large that is", () => {
    const deep = JSON.parse("[".repeat(1_000) + "]".repeat(1_000));
    expect(payloadText({ actors: [deep, "a"], payloads: [0, "t", 1, 1, 1, 1] }, 0)).toBe("");
    expect(payloadText({ actors: ["a", "b"], payloads: [0, "t", {}, 1, 1, 1] }, 0)).toBe("");
  });

  test("of a long name holds no more of it than is asked for", () => {
    const actors = ["x".repeat(500_000), "a"];
    const payloads = Array.from({ length: 40_000 }, () => [0, "t", 1, 1, 1, 1]).flat();
    for (let index = 0; index < 40_000; index++) {
      expect(payloadText({ actors, payloads }, index, 64)).toBe(`["${"x".repeat(62)}`);
    }
  });
});
