import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { asList, asObject, expectProblem, readObject } from "../support/answers.ts";
import { startPublicServer } from "../support/publicServer.ts";

let api: ReturnType<typeof startPublicServer>;
beforeEach(() => {
  api = startPublicServer();
});
afterEach(() => api.stop(0));

describe("answers", () => {
  test("a row of stats, and what is known about the page", async () => {
    api.addStats(0, "Customer1", "channel1", 1n, 0n);
    api.queries.sealedThroughMs = Date.UTC(2026, 0, 31, 10, 5);
    const response = await api.get("/stats");
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await readObject(response)).toEqual({
      rows: [
        {
          time: "2026-01-31T10:05:00.000Z",
          windowStart: "2026-01-31T10:00:00.000Z",
          windowEnd: "2026-01-31T10:05:00.000Z",
          customer: "Customer1",
          content: "channel1",
          cdn: 1,
          p2p: 0,
        },
      ],
      cursor: null,
      meta: { asOf: "2026-01-31T12:00:00.000Z", sealedThrough: "2026-01-31T10:05:00.000Z" },
    });
  });

  test("a row of sessions", async () => {
    const window = { windowStartMs: 0, windowEndMs: 300_000 };
    api.queries.sessionsRows.push({ ...window, customer: "a", content: "b", sessions: 3n });
    const { rows, meta } = await readObject(await api.get("/sessions"));
    expect(rows).toEqual([
      {
        time: "1970-01-01T00:05:00.000Z",
        windowStart: "1970-01-01T00:00:00.000Z",
        windowEnd: "1970-01-01T00:05:00.000Z",
        customer: "a",
        content: "b",
        sessions: 3,
      },
    ]);
    expect(asObject(meta).sealedThrough).toBeNull();
  });

  test("sums keep every digit", async () => {
    const sums = [2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 70n + 1n];
    sums.forEach((sum, index) => {
      api.addStats(index, "c", "v", sum, 0n);
    });
    const { rows } = await readObject(await api.get("/stats?order=asc"));
    expect(asList(rows).map((row) => asObject(row).cdn)).toEqual([
      9007199254740991,
      "9007199254740992",
      "9223372036854775807",
      "1180591620717411303425",
    ]);
    const csv = await (await api.get("/stats?format=csv")).text();
    for (const sum of sums) expect(csv).toContain(`,${sum},0\r\n`);
  });

  test("one content", async () => {
    api.addStats(0, "c", "one");
    api.addStats(0, "c", "two");
    const { rows } = await readObject(await api.get("/stats/c/two"));
    expect(asList(rows).map((row) => asObject(row).content)).toEqual(["two"]);
    expect(asList((await readObject(await api.get("/stats/c/three"))).rows)).toEqual([]);
  });

  test("while the database is away", async () => {
    api.queries.failure = new Error("connect ECONNREFUSED 10.1.2.3:5432");
    for (const path of ["/stats", "/sessions", "/stats/a/b", "/stats?format=csv"]) {
      const response = await api.get(path);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      const problem = await expectProblem(response, 503);
      expect(JSON.stringify(problem)).not.toContain("10.1.2.3");
    }
    expect(api.logLines.join("")).toContain("ECONNREFUSED 10.1.2.3:5432");
  });

  test("another method", async () => {
    const response = await fetch(`${api.url}/sessions`, { method: "DELETE" });
    await expectProblem(response, 405);
  });
});

test("the OpenAPI document describes every route and parameter", async () => {
  const { paths } = await readObject(await api.get("/swagger/json"));
  const parametersOf = (path: string) => {
    const { get } = asObject(asObject(paths)[path]);
    return asList(asObject(get).parameters).map((parameter) => asObject(parameter).name);
  };
  const page = ["from", "to", "bucket", "order", "limit", "cursor", "format"];
  expect(parametersOf("/stats")).toEqual(["customer", "content", ...page]);
  expect(parametersOf("/sessions")).toEqual(["customer", "content", ...page]);
  expect(parametersOf("/stats/{customer}/{content}")).toEqual(["customer", "content", ...page]);
});
