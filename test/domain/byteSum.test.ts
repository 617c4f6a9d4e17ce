import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteSum } from "../../src/domain/byteSum.ts";

const most = Number.MAX_SAFE_INTEGER;
const int64Max = 2n ** 63n - 1n;
const amount = fc.oneof(fc.nat(1_000), fc.integer({ min: most - 10, max: most }));

test("a sum is exact, however it was put together", () => {
  fc.assert(
    fc.property(fc.array(amount), fc.array(amount), (first, second) => {
      const [a, b] = [first, second].map((amounts) => {
        const sum = new ByteSum();
        for (const one of amounts) sum.add(one);
        return sum;
      });
      if (a === undefined || b === undefined) throw new Error("two sums were made");
      a.merge(b);
      const exact = [...first, ...second].reduce((sum, one) => sum + BigInt(one), 0n);
      expect(a.value).toBe(exact);
      expect(a.toString()).toBe(exact.toString());
      expect(ByteSum.from(a.value).value).toBe(a.value);
    }),
  );
});

test("what fits int64 is told exactly", () => {
  const nearly = ByteSum.from(int64Max - BigInt(most));
  expect(nearly.fitsWith(new ByteSum(), most)).toBe(true);
  expect(nearly.fitsWith(ByteSum.from(1n), most)).toBe(false);
});
