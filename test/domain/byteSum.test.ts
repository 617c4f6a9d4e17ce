import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteSum } from "../../src/domain/byteSum.ts";

const most = Number.MAX_SAFE_INTEGER;
const int64Max = 2n ** 63n - 1n;
const amount = fc.oneof(fc.nat(1_000), fc.integer({ min: most - 10, max: most }));

test("a sum is exact, however it was put together", () => {
  fc.assert(
    fc.property(fc.array(amount), fc.maxSafeNat(), (amounts, start) => {
      const a = ByteSum.from(BigInt(start));
      for (const one of amounts) a.add(one);
      const exact = amounts.reduce((sum, one) => sum + BigInt(one), BigInt(start));
      expect(a.value).toBe(exact);
      expect(a.toString()).toBe(exact.toString());
      expect(ByteSum.from(a.value).value).toBe(a.value);
    }),
  );
});

test("what fits int64 is told exactly", () => {
  const nearly = ByteSum.from(int64Max - BigInt(most));
  expect(nearly.fits(most)).toBe(true);
  nearly.add(1);
  expect(nearly.fits(most)).toBe(false);
});
