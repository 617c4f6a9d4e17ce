import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatPlace, formatReceipt, parsePlace, parseReceipt } from "../../src/domain/receipt.ts";

const numbers = {
  partition: fc.integer({ min: 0, max: 1_023 }),
  sequence: fc.integer({ min: 1, max: 10 ** 15 - 1 }),
};

test("a receipt is read as it was written, and has no other spelling", () => {
  const receipts = fc.record({ ...numbers, index: fc.integer({ min: 0, max: 9_999_999 }) });
  fc.assert(
    fc.property(receipts, (receipt) => {
      const text = formatReceipt(receipt);
      expect(parseReceipt(text)).toEqual(receipt);
      for (const other of [`0${text}`, `${text}0.`, text.replace(".", ".0"), ` ${text}`]) {
        expect(parseReceipt(other)).toBeUndefined();
      }
    }),
  );
});

test("a place in quarantine is read as it was written", () => {
  const places = fc.record({
    ...numbers,
    index: fc.integer({ min: -1, max: 9_999_999 }),
    incarnation: fc.option(fc.integer({ min: 1, max: 999_999_999 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(places, (place) => {
      const text = formatPlace(place);
      expect(parsePlace(text)).toEqual(place);
      expect(parsePlace(`0${text}`)).toBeUndefined();
    }),
  );
});

test.each(["", "7", "7.1042.3.1", "7.-1.0", "7.1.x", "07.1042.3", "7.01042.3", "7.1042.03"])(
  "%p is no receipt",
  (text) => {
    expect(parseReceipt(text)).toBeUndefined();
  },
);
