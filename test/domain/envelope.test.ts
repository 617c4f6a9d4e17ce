import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Batch,
  BatchBuilder,
  decodeMessage,
  encodeFound,
  encodeTick,
  payloadWidth,
} from "../../src/domain/envelope.ts";
import { checkPayload, type Payload } from "../../src/domain/payload.ts";
import { payloadText } from "../../src/domain/quarantineText.ts";

const encoder = new TextEncoder();

const text = fc
  .oneof(
    fc.string({ unit: "binary", minLength: 1, maxLength: 100 }),
    fc.constantFrom("__proto__", 'a"b\\c', "a.b * >", "\u{1f600}", "\u2028", "x".repeat(512)),
  )
  .filter((name) => checkPayload({ ...plain, token: name }).ok);
const count = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, Number.MAX_SAFE_INTEGER));
const plain: Payload = {
  token: "t",
  customer: "c",
  content: "d",
  timespan: 30_000,
  p2p: 0,
  cdn: 1,
  sessionDuration: 2,
};
const anyPayload = fc.record<Payload>({
  token: text,
  customer: fc.oneof(text, fc.constantFrom("a", "b")),
  content: fc.oneof(text, fc.constantFrom("a", "b")),
  timespan: count,
  p2p: count,
  cdn: count,
  sessionDuration: count,
});
const anyKey = fc.option(
  fc.nat(0xffff_ffff).map((n) => n.toString(16).padStart(16, "0")),
  { nil: undefined },
);
const anyBatch = fc.array(fc.tuple(anyPayload, anyKey), { minLength: 1, maxLength: 30 });

function build(rows: readonly (readonly [Payload, string | undefined])[]): BatchBuilder {
  const builder = new BatchBuilder();
  for (const [i, [payload, key]] of rows.entries()) expect(builder.add(payload, key)).toBe(i);
  return builder;
}

function payloadsOf(batch: Batch): unknown[] {
  return Array.from({ length: batch.payloads.length / payloadWidth }, (_, i) => {
    const at = i * payloadWidth;
    const [actor, token, timespan, p2p, cdn, sessionDuration] = batch.payloads.slice(at);
    const [customer, content] = batch.actors.slice(Number(actor) * 2);
    return { token, customer, content, timespan, p2p, cdn, sessionDuration };
  });
}

describe("a batch", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(anyBatch, fc.maxSafeNat(), (rows, number) => {
        const builder = build(rows);
        const decoded = decodeMessage(encoder.encode(builder.encode("publisher-1", number)));
        if (decoded.kind !== "batch") throw new Error(decoded.kind);
        expect([decoded.publisher, decoded.number]).toEqual(["publisher-1", number]);
        expect(payloadsOf(decoded)).toEqual(rows.map(([payload]) => payload));
        expect(decoded.keys).toEqual(
          rows.flatMap(([, key], i) => (key === undefined ? [] : [i, key])),
        );
        expect(builder.count).toBe(rows.length);
      }),
    );
  });

  test("names each actor once", () => {
    const builder = new BatchBuilder();
    for (const content of ["a", "b", "a", "b", "a"]) builder.add({ ...plain, content });
    const decoded = decodeMessage(encoder.encode(builder.encode("p", 1)));
    expect(decoded).toMatchObject({ actors: ["c", "a", "c", "b"] });
  });

  test("is never larger than its estimate, but for the frame around it", () => {
    fc.assert(
      fc.property(anyBatch, (rows) => {
        const builder = build(rows);
        const bytes = encoder.encode(builder.encode("p".repeat(36), 2 ** 53 - 1)).length;
        expect(bytes).toBeLessThanOrEqual(builder.bytes + 150);
      }),
    );
  });
});

describe("a payload out of quarantine", () => {
  test("is a batch of its own, with the values that were found", () => {
    const found = payloadText(
      { actors: ["Customer1"], payloads: [0, "token", 30_000, -1, "2", null] },
      0,
    );
    expect(decodeMessage(encodeFound(found) ?? encoder.encode(""))).toEqual({
      ...{ kind: "batch", publisher: "quarantine", number: 1, keys: [] },
      actors: ["Customer1", null],
      payloads: [0, "token", 30_000, -1, "2", null],
    });
  });
  test("cannot be made of a text that is none, or not whole", () => {
    const whole = payloadText(
      { actors: ["Customer1", "channel1"], payloads: [0, "token", 30_000, 0, 1, 2] },
      0,
    );
    for (const text of ["", "7", "{}", "[]", whole.slice(0, -1), whole.replace(",2]", "]")]) {
      expect(encodeFound(text)).toBeUndefined();
    }
  });
});

test("a tick is read as a tick", () => {
  expect(decodeMessage(encoder.encode(encodeTick()))).toEqual({ kind: "tick" });
});

describe("what is not a message of ours is unreadable, and never throws", () => {
  test("cut off anywhere", () => {
    const whole = encoder.encode(build([[plain, "00ab34cd00ab34cd"]]).encode("p", 1));
    for (let length = 0; length < whole.length; length++) {
      expect(decodeMessage(whole.subarray(0, length)).kind).toBe("unreadable");
    }
  });

  test("any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeMessage(bytes).kind).toBe("unreadable");
      }),
    );
  });

  test("any JSON, also with our fields in it", () => {
    const field = fc.oneof(fc.jsonValue(), fc.constantFrom(1, 2, [], [1], "p", {}));
    const almost = fc.record(
      {
        v: field,
        publisher: field,
        number: field,
        actors: field,
        payloads: field,
        keys: field,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), almost), (value) => {
        const decoded = decodeMessage(encoder.encode(JSON.stringify(value)));
        if (decoded.kind === "unreadable") expect(decoded.reason).not.toBe("");
        else expect(["batch", "tick"]).toContain(decoded.kind);
      }),
      { numRuns: 500 },
    );
  });

  test("great depth, another version, text that is no UTF-8", () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    const later = build([[plain, undefined]])
      .encode("p", 1)
      .replace('"v":1', '"v":2');
    for (const odd of [deep, `{"v":1,"payloads":${deep}}`, later, "", "null", "1"]) {
      expect(decodeMessage(encoder.encode(odd)).kind).toBe("unreadable");
    }
    const invalid = encoder.encode(build([[plain, undefined]]).encode("p", 1));
    invalid[invalid.length - 6] = 0xff;
    expect(decodeMessage(invalid).kind).toBe("unreadable");
  });
});
