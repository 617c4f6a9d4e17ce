/** Which rows that differ belong to some partitions: a table does not say, their names do. */
import type { TableComparison, TableDifference } from "../actors/historyPorts.ts";
import { partitionOf } from "../domain/digest.ts";

/**
 * Leaves out the rows of other partitions. Where not all that differ are listed, all are counted:
 * whose the others are is not known, and none of them must pass for equal.
 */
export function ofPartitions(
  comparison: TableComparison,
  chosen: readonly number[],
  partitions: number,
): TableComparison {
  const isChosen = ({ key: { customer, content } }: TableDifference) =>
    customer === undefined ||
    content === undefined ||
    chosen.includes(partitionOf(customer, content, partitions));
  const differences = comparison.differences.filter(isChosen);
  const areAllListed = comparison.differences.length === comparison.differencesTotal;
  const differencesTotal = areAllListed ? differences.length : comparison.differencesTotal;
  return { ...comparison, differences, differencesTotal };
}
