import { afterAll, beforeEach, expect, test } from "bun:test";
import fc from "fast-check";
import { keyDigest } from "../../src/http/idempotency.ts";
import { examplePayload } from "../support/api.ts";
import { startPublicServer } from "../support/publicServer.ts";

const server = startPublicServer();
afterAll(() => server.stop(0));
beforeEach(() => server.payloadLog.clear());

const good = JSON.stringify(examplePayload);
const other = { ...examplePayload, cdn: 7 };
const withKey = (key: string) => ({ "idempotency-key": key });
const digests = () => server.payloadLog.appends.map((append) => append.keyDigests);

test("the same request under the same key has the same digest", async () => {
  await server.post("/stats", good, withKey("k"));
  await server.post("/stats", ` ${good}`, withKey("k"));
  const [first, second] = digests();
  expect(first).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
  expect(second).toEqual(first);
});

test("another key or another payload has another digest", async () => {
  await server.post("/stats", good, withKey("k"));
  await server.post("/stats", good, withKey("l"));
  await server.post("/stats", JSON.stringify(other), withKey("k"));
  await server.post("/stats", good);
  const [first, second, third, fourth] = digests();
  expect(new Set([first?.[0], second?.[0], third?.[0]]).size).toBe(3);
  expect(fourth).toBeUndefined();
});

test("in a batch the place in the request counts, bad rows included", async () => {
  await server.post("/stats/batch", `[${good},${good},1,${good}]`, withKey("k"));
  await server.post("/stats/batch", `[${good},1,${good}]`, withKey("k"));
  const [first, second] = digests();
  expect(new Set(first).size).toBe(3);
  expect(second?.[0]).toBe(first?.[0]);
  expect(second?.[1]).toBe(keyDigest("k", 2, examplePayload));
  expect(first).not.toContain(second?.[1]);
});

test("a key must be 1 to 255 visible ASCII characters", async () => {
  for (const key of ["k", "~!@{}", '"quoted"', "x".repeat(255)]) {
    expect((await server.post("/stats", good, withKey(key))).status).toBe(202);
  }
  for (const key of ["", "a b", "é", "x".repeat(256)]) {
    for (const path of ["/stats", "/stats/batch"]) {
      const response = await server.post(path, `[${good}]`, withKey(key));
      expect(response.status).toBe(400);
      expect(await response.text()).toContain("invalid-idempotency-key");
    }
  }
});

test("digests tell apart what differs in any part", () => {
  const names = fc.constantFrom("", "a", "b", '"', ",", '","', "ab");
  const parts = fc.tuple(names, fc.nat(2), names, names, names);
  const digest = ([key, index, token, customer, content]: [string, number, ...string[]]) =>
    keyDigest(key, index, {
      ...examplePayload,
      token: token ?? "",
      customer: customer ?? "",
      content: content ?? "",
    });
  fc.assert(
    fc.property(parts, parts, (left, right) => {
      expect(digest(left) === digest(right)).toBe(JSON.stringify(left) === JSON.stringify(right));
    }),
  );
});
