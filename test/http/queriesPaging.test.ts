import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { asList, asObject, expectBadParameters, readObject } from "../support/answers.ts";
import { startPublicServer } from "../support/publicServer.ts";

let api: ReturnType<typeof startPublicServer>;
beforeEach(() => {
  api = startPublicServer();
});
afterEach(() => api.stop(0));

/** Which window, customer and content each row is, in the order of the answer. */
function keysOf(rows: unknown): string[] {
  return asList(rows).map((row) => {
    const { time, customer, content } = asObject(row);
    return JSON.stringify([time, customer, content]);
  });
}

async function allKeys(query: string): Promise<string[]> {
  const keys: string[] = [];
  let cursor: unknown = null;
  do {
    const path = `/stats?${query}${typeof cursor === "string" ? `&cursor=${cursor}` : ""}`;
    const body = await readObject(await api.get(path));
    keys.push(...keysOf(body.rows));
    cursor = body.cursor;
  } while (cursor !== null);
  return keys;
}

describe("paging", () => {
  const names = ["a", "b/c", "ü 😀", '"x",', "%2F", "__proto__"];

  test("all pages together are all rows, once, in order", async () => {
    const page = fc.record({
      rows: fc.uniqueArray(fc.tuple(fc.nat(5), fc.constantFrom(...names), fc.nat(4)), {
        selector: (row) => row.join("|"),
        maxLength: 40,
      }),
      limit: fc.integer({ min: 1, max: 9 }),
      order: fc.constantFrom("asc", "desc"),
    });
    await fc.assert(
      fc.asyncProperty(page, async ({ rows, limit, order }) => {
        api.queries.statsRows.length = 0;
        for (const [window, customer, content] of rows) {
          api.addStats(window, customer, `channel ${content}`);
        }
        const paged = await allKeys(`limit=${limit}&order=${order}`);
        expect(paged).toEqual(await allKeys(`order=${order}`));
        expect(paged.length).toBe(rows.length);
      }),
      { numRuns: 60 },
    );
  });

  test("a cursor serves the filters it was given for, at any limit and in any format", async () => {
    for (let window = 0; window < 5; window++) api.addStats(window, "c", "v");
    const { cursor } = await readObject(await api.get("/stats?customer=c&content=v&limit=2"));
    const good = [
      `/stats?customer=c&content=v&limit=1&cursor=${cursor}`,
      `/stats?content=v&customer=c&bucket=5m&order=desc&format=csv&cursor=${cursor}`,
      `/stats/c/v?cursor=${cursor}`,
    ];
    for (const path of good) expect((await api.get(path)).status).toBe(200);
    const bad = [
      `/stats?customer=c&cursor=${cursor}`,
      `/stats?customer=v&content=c&cursor=${cursor}`,
      `/stats?customer=c&content=v&bucket=10m&cursor=${cursor}`,
      `/stats?customer=c&content=v&order=asc&cursor=${cursor}`,
      `/stats?customer=c&content=v&from=0&cursor=${cursor}`,
      `/sessions?customer=c&content=v&cursor=${cursor}`,
    ];
    for (const path of bad) await expectBadParameters(await api.get(path), "?cursor");
  });

  test("a forged cursor is refused", async () => {
    api.addStats(0, "c", "v");
    api.addStats(1, "c", "v");
    const { cursor } = await readObject(await api.get("/stats?limit=1"));
    const parts = asList(JSON.parse(Buffer.from(String(cursor), "base64url").toString()));
    const [version, fingerprint, ...key] = parts;
    const forged = [
      [1, fingerprint, ...key],
      [version, fingerprint],
      [version, fingerprint, 1, "c", "v"],
      [version, fingerprint, "1.5", "c", "v"],
      [version, fingerprint, "1", "c", ""],
      [version, fingerprint, "1", "c", { text: "v" }],
      {},
    ];
    for (const content of forged) {
      const text = Buffer.from(JSON.stringify(content)).toString("base64url");
      await expectBadParameters(await api.get(`/stats?cursor=${text}`), "?cursor");
    }
  });
});
