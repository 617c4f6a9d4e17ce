import { expect, test } from "bun:test";
import {
  answer,
  integer,
  listed,
  nullable,
  nullInExample,
  record,
  text,
} from "../../src/http/docParts.ts";

test("the example of an answer is made of those of its fields", () => {
  const part = { name: text("A name.", "a"), count: nullable(integer("A number.", 0)) };
  const { schema, example } = answer("All kinds of fields.", {
    state: { type: "string", enum: ["idle", "open"] },
    other: { type: "string", enum: ["idle", "open"], example: "open" },
    isThere: { type: "boolean" },
    part: nullable(record(part)),
    parts: listed(part),
    none: { ...listed(part), example: [] },
    reason: nullInExample(text("Why.", "because")),
  }).content["application/json"];
  expect(example).toEqual({
    state: "idle",
    other: "open",
    isThere: true,
    part: { name: "a", count: 0 },
    parts: [{ name: "a", count: 0 }],
    none: [],
    reason: null,
  });
  expect(schema.required).toEqual(Object.keys(schema.properties));
});

test("a field without an example is named", () => {
  const fields = { part: record({ name: text("A name without one.") }) };
  expect(() => answer("An answer.", fields)).toThrow("A name without one.");
});
