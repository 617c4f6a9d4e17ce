/**
 * Settles as the promise does, or rejects with `late()` when that takes longer than `ms`. What the
 * promise does after that interests nobody.
 */
export async function inTime<Value>(
  promise: Promise<Value>,
  ms: number,
  late: () => Error = () => new Error("took too long"),
): Promise<Value> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), ms);
  promise.catch(() => {});
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
