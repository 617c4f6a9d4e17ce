/** Long work that can pause: a generator yields wherever something else may run. */

/** Does the work without a pause. */
export function atOnce<Result>(work: Generator<unknown, Result>): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** So many items are sorted, or merged, between two pauses: some hundred microseconds. */
const stepItems = 256;

/** Sorts as `toSorted` does, stably, with pauses. */
export function* sorting<Item extends object>(
  items: readonly Item[],
  compare: (a: Item, b: Item) => number,
): Generator<undefined, Item[]> {
  yield;
  if (items.length <= stepItems) return items.toSorted(compare);
  const middle = items.length >> 1;
  const left = yield* sorting(items.slice(0, middle), compare);
  const right = yield* sorting(items.slice(middle), compare);
  const sorted: Item[] = [];
  let [leftAt, rightAt] = [0, 0];
  for (let count = 0; count < items.length; count++) {
    if (count % stepItems === 0) yield;
    const [a, b] = [left[leftAt], right[rightAt]];
    const isLeft = b === undefined || (a !== undefined && compare(a, b) <= 0);
    const next = isLeft ? a : b;
    if (isLeft) leftAt++;
    else rightAt++;
    if (next !== undefined) sorted.push(next);
  }
  return sorted;
}
