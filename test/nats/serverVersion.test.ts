import { expect, test } from "bun:test";
import { isAtLeast } from "../../src/nats/serverVersion.ts";

test.each([
  ["2.9.10", true],
  ["2.9.9", false],
  ["2.10.0", true],
  ["2.12.0-beta.1", true],
  ["3.0.0", true],
  ["1.99.99", false],
  ["unknown", false],
])("version %s is new enough: %p", (version, enough) => {
  expect(isAtLeast(version, [2, 9, 10])).toBe(enough);
});
