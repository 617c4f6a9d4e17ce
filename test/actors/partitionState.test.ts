import { expect, test } from "bun:test";
import { emptyPartitionState, readPartitionState } from "../../src/actors/partitionState.ts";

test("a checkpoint of this version is read", () => {
  expect(readPartitionState(emptyPartitionState)).toBe(emptyPartitionState);
});

test.each([
  [{ v: 2 }, "version 2; this"],
  [{ v: "1" }, "version 1; this"],
  [{}, "no partition state"],
  [null, "no partition state"],
  ["1", "no partition state"],
])("a checkpoint like %j is not", (value, reason) => {
  expect(() => readPartitionState(value)).toThrow(reason);
});
