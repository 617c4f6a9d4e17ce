import { expect, test } from "bun:test";
import fc from "fast-check";
import { millisOf, nanosOfRfc3339, parseDelivery } from "../../src/nats/brokerTime.ts";

test("a delivery is read from both forms of the reply subject, to the nanosecond", () => {
  const short = "$JS.ACK.PAYLOADS_0000.abc.1.42.7.1767322800123456789.3";
  const long = "$JS.ACK._.acchash.PAYLOADS_0000.abc.1.42.7.1767322800123456789.3";
  const expected = { sequence: 42, time: "1767322800123456789" };
  expect(parseDelivery(short)).toEqual(expected);
  expect(parseDelivery(long)).toEqual(expected);
  expect(parseDelivery(`${long}.random`)).toEqual(expected);
});

test.each(["", "_INBOX.1.2", "$JS.ACK.a.b", "$JS.ACK.a.b.1.x.7.1.3", "$JS.ACK.a.b.1.2.7.-1.3"])(
  "%p is no delivery",
  (reply) => {
    expect(parseDelivery(reply)).toBeUndefined();
  },
);

test("a time in text becomes the same nanoseconds", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1_000_000_000, max: 4_000_000_000 }),
      fc.integer({ min: 0, max: 999_999_999 }),
      (seconds, nanos) => {
        const digits = String(nanos).padStart(9, "0");
        // The broker leaves zeros at the end out, and the point with them.
        const fraction = digits.replace(/0+$/, "");
        const second = new Date(seconds * 1_000).toISOString().slice(0, 19);
        const text = fraction === "" ? `${second}Z` : `${second}.${fraction}Z`;
        expect(nanosOfRfc3339(text)).toBe(`${seconds}${digits}`);
        expect(millisOf(nanosOfRfc3339(text))).toBe(seconds * 1_000 + Math.floor(nanos / 1e6));
      },
    ),
  );
  expect(nanosOfRfc3339("2026-01-02T03:04:05.5+01:00")).toBe("1767319445500000000");
  expect(() => nanosOfRfc3339("yesterday")).toThrow();
});
