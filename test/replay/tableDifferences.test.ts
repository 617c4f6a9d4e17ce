import { expect, test } from "bun:test";
import type { TableComparison } from "../../src/actors/historyPorts.ts";
import { partitionOf } from "../../src/domain/digest.ts";
import { ofPartitions } from "../../src/replay/tableDifferences.ts";

const partitions = 4;
const contents = Array.from({ length: 20 }, (_, i) => `channel${i}`);
const own = partitionOf("c", "channel0", partitions);

function comparison(differencesTotal: number): TableComparison {
  const differences = contents.map((content) => {
    const key = { time: "2026-01-31T10:05:00.000Z", customer: "c", content };
    return { table: "stats", key, recorded: null, expected: null };
  });
  return { table: "stats", rows: 100, differences, differencesTotal, skipped: null };
}

test("rows of other partitions are left out", () => {
  const found = ofPartitions(comparison(contents.length), [own], partitions);
  const names = contents.filter((content) => partitionOf("c", content, partitions) === own);
  expect(found.differences.map(({ key }) => key.content)).toEqual(names);
  expect(found.differencesTotal).toBe(names.length);
  expect(names.length).toBeLessThan(contents.length);
});

test("rows that are not listed do not pass for equal", () => {
  const found = ofPartitions(comparison(2_000), [], partitions);
  expect(found).toMatchObject({ differences: [], differencesTotal: 2_000 });
});

test("all partitions together are the whole table", () => {
  for (const total of [contents.length, 2_000]) {
    expect(ofPartitions(comparison(total), [0, 1, 2, 3], partitions)).toEqual(comparison(total));
  }
});
