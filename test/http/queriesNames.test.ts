import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isText } from "../../src/domain/payload.ts";
import { csvText } from "../../src/http/csv.ts";
import { asList, asObject, expectProblem, readObject } from "../support/answers.ts";
import { readCsv } from "../support/naiveCsv.ts";
import { startPublicServer } from "../support/publicServer.ts";

let api: ReturnType<typeof startPublicServer>;
beforeEach(() => {
  api = startPublicServer();
});
afterEach(() => api.stop(0));

const names = [
  "a.b.c",
  "a b",
  " ",
  "+",
  "*",
  ">",
  "a/b",
  "/",
  "//",
  "%2F",
  "%252F",
  "%",
  "%zz",
  "?x=1&y=2#z",
  ";",
  ":customer",
  "\\",
  "'",
  '"quoted", and more',
  "'; drop table stats; --",
  "=1+1",
  "@sum",
  "-1",
  "__proto__",
  "constructor",
  "null",
  "😀👩‍👩‍👧",
  "‮right to left ولد",
  "e\u0301",
  "\u00e9",
  "\u2028",
  "\ufffd",
  "ﬃ",
  "x".repeat(512),
  "ü".repeat(256),
];

describe("names arrive unchanged", () => {
  test.each(names.map((name) => [JSON.stringify(name.slice(0, 20)), name]))(
    "%s",
    async (_title, name) => {
      api.addStats(0, name, "plain");
      api.addStats(0, "plain", name);
      api.addStats(0, `${name.slice(0, 250)}.`, "other");
      const encoded = encodeURIComponent(name);
      for (const path of [`/stats?customer=${encoded}`, `/stats/${encoded}/plain`]) {
        const { rows } = await readObject(await api.get(path));
        expect(asList(rows).map((row) => asObject(row).customer)).toEqual([name]);
      }
      for (const path of [`/stats?content=${encoded}`, `/stats/plain/${encoded}`]) {
        const { rows } = await readObject(await api.get(path));
        expect(asList(rows).map((row) => asObject(row).content)).toEqual([name]);
        const csv = readCsv(await (await api.get(`${path.split("?")[0]}?format=csv`)).text());
        expect(csv.flat()).toContain(name);
      }
    },
  );

  test("dots alone go through the parameter", async () => {
    for (const name of [".", ".."]) {
      api.addStats(0, name, name);
      const { rows } = await readObject(await api.get(`/stats?customer=${name}&content=${name}`));
      expect(asList(rows).length).toBe(1);
      // `fetch` takes them out of the path, as the server's runtime does with what others send.
      expect((await api.get(`/stats/plain/${encodeURIComponent(name)}`)).status).toBe(404);
    }
  });

  test("a path that is badly encoded", async () => {
    for (const name of ["%zz", "%", "%f", "%ff", "%ed%a0%80", "%00", "%0a", "x".repeat(513)]) {
      await expectProblem(await api.get(`/stats/${name}/v`), 400);
      await expectProblem(await api.get(`/stats/c/${name}`), 400);
    }
    expect(api.queries.asked).toEqual([]);
  });
});

describe("csv", () => {
  const field = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'",\r\n =a') }));

  test("what a naive reader finds is what was written", () => {
    fc.assert(
      fc.property(fc.array(fc.array(field, { minLength: 1 })), (records) => {
        expect(readCsv(csvText(records))).toEqual(records);
      }),
    );
  });

  test("through the API", async () => {
    const name = fc.string({ minLength: 1, unit: "grapheme" }).filter((text) => isText(text));
    await fc.assert(
      fc.asyncProperty(name, fc.bigInt({ min: 0n, max: 2n ** 70n }), async (customer, cdn) => {
        api.queries.statsRows.length = 0;
        api.addStats(0, customer, "v", cdn);
        const response = await api.get("/stats?format=csv");
        expect(response.headers.get("content-type")).toBe(
          "text/csv; charset=utf-8; header=present",
        );
        const times = ["2026-01-31T10:05:00.000Z", "2026-01-31T10:00:00.000Z"];
        expect(readCsv(await response.text())).toEqual([
          ["time", "windowStart", "windowEnd", "customer", "content", "cdn", "p2p"],
          [...times, times[0] ?? "", customer, "v", String(cdn), "2"],
        ]);
      }),
      { numRuns: 60 },
    );
  });

  test("what JSON says beside the rows stands in headers", async () => {
    api.queries.sealedThroughMs = 0;
    api.addStats(0, "a", "v");
    api.addStats(1, "a", "v");
    const first = await api.get("/stats?format=csv&limit=1");
    expect(first.headers.get("x-as-of")).toBe("2026-01-31T12:00:00.000Z");
    expect(first.headers.get("x-sealed-through")).toBe("1970-01-01T00:00:00.000Z");
    const cursor = first.headers.get("x-next-cursor");
    const last = await api.get(`/stats?format=csv&cursor=${cursor}`);
    expect(last.headers.has("x-next-cursor")).toBe(false);
    expect(readCsv(await last.text()).length).toBe(2);
  });

  test("an empty page is a header", async () => {
    const text = await (await api.get("/sessions?format=csv")).text();
    expect(text).toBe("time,windowStart,windowEnd,customer,content,sessions\r\n");
  });
});
