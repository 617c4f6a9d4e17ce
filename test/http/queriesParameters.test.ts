import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { WindowQuery } from "../../src/actors/readPorts.ts";
import { expectBadParameters, expectProblem } from "../support/answers.ts";
import { startPublicServer, windowMs } from "../support/publicServer.ts";

let api: ReturnType<typeof startPublicServer>;
beforeAll(() => {
  api = startPublicServer();
});
afterAll(() => api.stop(0));

const tenAm = Date.UTC(2026, 0, 31, 10);

const good: readonly (readonly [query: string, expected: Partial<WindowQuery>])[] = [
  ["", { bucketMs: windowMs, order: "desc", limit: 1_000 }],
  ["customer=a&content=b", { customer: "a", content: "b" }],
  ["customer=a+b&content=%2B%252F%2F", { customer: "a b", content: "+%2F/" }],
  ["&&limit=5&", { limit: 5 }],
  ["limit=10000", { limit: 10_000 }],
  ["order=asc", { order: "asc" }],
  ["bucket=5m", { bucketMs: windowMs }],
  ["bucket=1h", { bucketMs: 3_600_000 }],
  ["bucket=600000ms", { bucketMs: 600_000 }],
  ["from=0", { fromMs: 0 }],
  [`from=${tenAm}&to=${tenAm}`, { fromMs: tenAm, toMs: tenAm }],
  ["from=2026-01-31T10:00:00Z", { fromMs: tenAm }],
  ["from=2026-01-31T10:00", { fromMs: tenAm }],
  ["from=2026-01-31+10:00:00.000", { fromMs: tenAm }],
  ["from=2026-01-31", { fromMs: Date.UTC(2026, 0, 31) }],
  ["from=2026-01-31T12:00:00+02:00", { fromMs: tenAm }],
  // As psql prints it.
  ["from=2026-01-31 12:00:00%2B02", { fromMs: tenAm }],
  ["from=2026-01-31T12:00:00%2B0200", { fromMs: tenAm }],
  ["to=2026-01-31T08:30:00-01:30", { toMs: tenAm }],
  ["to=2026-01-31T10:00:00.1234Z", { toMs: tenAm + 124 }],
  ["to=2026-01-31T10:00:00.123000000Z", { toMs: tenAm + 123 }],
  ["to=2024-02-29", { toMs: Date.UTC(2024, 1, 29) }],
];

describe("good parameters", () => {
  test.each(good)("?%s", async (query, expected) => {
    const response = await api.get(`/stats?${query}`);
    expect(response.status).toBe(200);
    expect(api.queries.asked.at(-1)).toMatchObject(expected);
  });
});

const bad: readonly (readonly [query: string, pointers: readonly string[]])[] = [
  ["customer=", ["?customer"]],
  ["customer", ["?customer"]],
  ["customer=a%00b", ["?customer"]],
  ["customer=%0A", ["?customer"]],
  ["customer=%ff", ["?customer"]],
  ["customer=%zz", ["?customer"]],
  ["customer=%ed%a0%80", ["?customer"]],
  ["limit=0", ["?limit"]],
  ["limit=10001", ["?limit"]],
  ["limit=-1", ["?limit"]],
  ["limit=1e3", ["?limit"]],
  ["limit=1.0", ["?limit"]],
  ["limit=", ["?limit"]],
  ["limit=5&limit=5", ["?limit"]],
  ["limit=5&limit=5&limit=x", ["?limit"]],
  ["order=DESC", ["?order"]],
  ["order=descending", ["?order"]],
  ["format=xml", ["?format"]],
  ["bucket=7m", ["?bucket"]],
  ["bucket=0m", ["?bucket"]],
  ["bucket=1m", ["?bucket"]],
  ["bucket=300", ["?bucket"]],
  ["bucket=5 m", ["?bucket"]],
  ["bucket=999999999999d", ["?bucket"]],
  ["from=yesterday", ["?from"]],
  ["from=-1", ["?from"]],
  ["from=2026-02-30", ["?from"]],
  ["from=2026-13-01", ["?from"]],
  ["from=2026-01-31T25:00Z", ["?from"]],
  ["from=2026-01-31T10:00:00+99:00", ["?from"]],
  ["from=1969-12-31", ["?from"]],
  ["from=99999-01-01", ["?from"]],
  ["from=999999999999999", ["?from"]],
  [`from=${tenAm + 1}&to=${tenAm}`, ["?to"]],
  ["cursor=x", ["?cursor"]],
  ["cursor=", ["?cursor"]],
  ["Limit=5", ["?Limit"]],
  ["__proto__=1&constructor=2", ["?__proto__", "?constructor"]],
  ["a[b]=1", ["?a%5Bb%5D"]],
  [
    "limit=0&from=x&to=y&bucket=z&order=w&format=v&nope=1",
    ["?bucket", "?format", "?from", "?limit", "?nope", "?order", "?to"],
  ],
];

describe("bad parameters", () => {
  test.each(bad)("?%s", async (query, pointers) => {
    const asked = api.queries.asked.length;
    for (const path of ["/stats", "/sessions"]) {
      await expectBadParameters(await api.get(`${path}?${query}`), ...pointers);
    }
    expect(api.queries.asked.length).toBe(asked);
  });

  test("texts that are too long", async () => {
    const query = `content=${"x".repeat(513)}&cursor=${"A".repeat(9_000)}&${"n".repeat(100)}=1`;
    const pointers = ["?content", "?cursor", `?${"n".repeat(64)}`];
    await expectBadParameters(await api.get(`/stats?${query}`), ...pointers);
  });

  test("a name that is cut in the midst of a character", async () => {
    const name = "a".repeat(63);
    const response = await api.get(`/stats?${encodeURIComponent(`${name}\u{1f600}`)}=1`);
    await expectBadParameters(response, `?${name}%EF%BF%BD`);
  });

  test("only the first of very many are listed", async () => {
    const names = Array.from({ length: 150 }, (_, i) => `n${i}`);
    const response = await api.get(`/stats?${names.join("&")}`);
    await expectBadParameters(response, ...names.slice(0, 100).map((name) => `?${name}`));
  });

  test("no value is repeated in the answer", async () => {
    const secret = "SECRET-VALUE";
    const names = ["customer", "from", "bucket", "order", "limit", "cursor", "format", "token"];
    const query = names.map((name) => `${name}=${secret}%00`).join("&");
    const text = JSON.stringify(await expectProblem(await api.get(`/stats?${query}`), 422));
    expect(text).not.toContain(secret);
  });

  test("the path's names may stand in the query as well, if they are the same", async () => {
    expect((await api.get("/stats/a/b?customer=a&content=b")).status).toBe(200);
    expect(api.queries.asked.at(-1)).toMatchObject({ customer: "a", content: "b" });
    await expectBadParameters(await api.get("/stats/a/b?customer=b"), "?customer");
    await expectBadParameters(await api.get("/stats/a/b?content=a"), "?content");
  });
});
