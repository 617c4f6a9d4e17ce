import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { PayloadLogUnavailable } from "../../src/actors/ports.ts";
import { arrayRows, lineRows } from "../../src/http/batchRows.ts";
import { examplePayload } from "../support/api.ts";
import { startPublicServer, type TestBody } from "../support/publicServer.ts";

const server = startPublicServer();
afterAll(() => server.stop(0));
beforeEach(() => {
  server.payloadLog.clear();
  server.counts.accepted = 0;
  server.counts.refused.clear();
});

const payloads = [1, 2, 3].map((cdn) => ({ ...examplePayload, cdn }));
const lines = payloads.map((payload) => JSON.stringify(payload)).join("\n");
const good = JSON.stringify(examplePayload);
const ndjson = { "content-type": "application/x-ndjson" };
const text = { "content-type": "text/plain;charset=UTF-8" };

interface Answer {
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: readonly { index: number; pointer: string; detail: string }[];
  readonly errorsOmitted?: number;
}

async function postBatch(body: TestBody, headers: Record<string, string> = {}) {
  const response = await server.post("/stats/batch", body, headers);
  return { status: response.status, answer: (await response.json()) as Answer };
}

const clean = { accepted: 3, rejected: 0, errors: [] };

describe("a batch", () => {
  test("is an array or lines, as its text shows, whatever its type says", async () => {
    const array = JSON.stringify(payloads);
    const requests: [TestBody, Record<string, string>][] = [
      [array, {}],
      [JSON.stringify(payloads, null, 2), {}],
      [`\r\n ${array}\n`, text],
      [lines, text],
      [array, ndjson],
      [lines, {}],
      [lines, ndjson],
      [`${lines}\n`, { "content-type": "application/ndjson" }],
      [lines.replaceAll("\n", "\r\n"), { "content-type": "application/jsonl; charset=utf-8" }],
      [`\n\n${lines.replaceAll("\n", "\n \t\n\r\n")}\n\n`, ndjson],
      [gzipSync(lines), { ...ndjson, "content-encoding": "gzip" }],
      [zstdCompressSync(array), { "content-encoding": "zstd" }],
      [new Blob([lines]).stream(), ndjson],
    ];
    for (const [body, headers] of requests) {
      server.payloadLog.clear();
      expect(await postBatch(body, headers)).toEqual({ status: 202, answer: clean });
      expect(server.payloadLog.appends).toEqual([{ payloads, keyDigests: undefined }]);
    }
  });

  test("may be empty, and then nothing is stored", async () => {
    const empty = { status: 202, answer: { accepted: 0, rejected: 0, errors: [] } };
    expect(await postBatch("[]")).toEqual(empty);
    expect(await postBatch(" [ \n ] ")).toEqual(empty);
    expect(await postBatch("", ndjson)).toEqual(empty);
    expect(await postBatch("\n\r\n \n", ndjson)).toEqual(empty);
    expect(server.payloadLog.appends).toEqual([]);
  });

  test("is not empty when its compressed body was lost whole", async () => {
    for (const [encoding, compress] of [
      ["gzip", gzipSync],
      ["zstd", zstdCompressSync],
    ] as const) {
      const headers = { ...ndjson, "content-encoding": encoding };
      expect((await postBatch(compress(""), headers)).status).toBe(202);
      expect((await postBatch("", headers)).status).toBe(400);
    }
  });

  test("keeps its good rows when others are bad, and says which and why", async () => {
    const bad = '{"token":"t","customer":"c","content":1,"timespan":-1,"p2p":0,"cdn":0}';
    const body = [good, bad, "{", "", good, `${good.slice(0, -1)},"cdn":1}`].join("\n");
    const { status, answer } = await postBatch(body, ndjson);
    expect(status).toBe(202);
    expect(answer).toEqual({
      accepted: 2,
      rejected: 3,
      errors: [
        { index: 1, pointer: "/content", detail: "must be a string" },
        { index: 1, pointer: "/timespan", detail: "must not be negative" },
        { index: 1, pointer: "/sessionDuration", detail: "is missing" },
        { index: 2, pointer: "", detail: "is not JSON" },
        { index: 4, pointer: "/cdn", detail: "must not be given more than once" },
      ],
    });
    expect(server.payloadLog.payloads).toEqual([examplePayload, examplePayload]);
    expect(server.counts.accepted).toBe(2);
    expect(server.counts.refused.get("invalid-row")).toBe(3);
  });

  test.each([ndjson, {}])("refuses rows whose fraction a double cannot hold", async (headers) => {
    const bad = good.replace('"cdn":1', '"cdn":0.99999999999999999');
    const rows = [good.replace('"cdn":1', '"cdn":1.0'), bad];
    const body = headers === ndjson ? rows.join("\n") : `[${rows.join(",")}]`;
    const { answer } = await postBatch(body, headers);
    const errors = [{ index: 1, pointer: "/cdn", detail: "must be an integer" }];
    expect(answer).toEqual({ accepted: 1, rejected: 1, errors });
  });

  test("refuses single rows that are too large", async () => {
    const pad = (bytes: number) => good.replace("{", `{${" ".repeat(bytes - good.length)}`);
    const body = `[${pad(65_536)},${pad(65_537)},${good}]`;
    const { answer } = await postBatch(body);
    expect(answer.accepted).toBe(2);
    expect(answer.errors).toEqual([
      { index: 1, pointer: "", detail: "is larger than 65536 bytes" },
    ]);
  });

  test("lists a bounded number of errors, and says how many it left out", async () => {
    const { answer } = await postBatch("1\n".repeat(2_500), ndjson);
    expect(answer.rejected).toBe(2_500);
    expect(answer.errors).toHaveLength(1_000);
    expect(answer.errorsOmitted).toBe(1_500);
  });

  test("may hold 100,000 rows and 8 MiB, and no more", async () => {
    const minimal = JSON.stringify({ ...examplePayload, token: "t", customer: "c", content: "c" });
    const many = Array(70_000).fill(minimal).join("\n");
    expect((await postBatch(many, ndjson)).answer.accepted).toBe(70_000);
    server.payloadLog.clear();
    expect((await postBatch("1\n".repeat(100_001), ndjson)).status).toBe(413);
    expect((await postBatch(`[${"1,".repeat(100_000)}1]`)).status).toBe(413);
    expect((await postBatch("\n".repeat(8 * 1024 * 1024), ndjson)).status).toBe(202);
    expect((await postBatch("\n".repeat(8 * 1024 * 1024 + 1), ndjson)).status).toBe(413);
    const over = gzipSync(`${lines}${"\n".repeat(8 * 1024 * 1024)}`);
    const headers = { ...ndjson, "content-encoding": "gzip" };
    expect((await postBatch(over, headers)).status).toBe(413);
    expect(server.payloadLog.appends).toEqual([]);
  });

  test("that is no JSON array as a whole is refused as a whole", async () => {
    const bodies: [string, number][] = [
      ["", 400],
      ["x", 400],
      ["[", 400],
      ["]", 400],
      [`[${good}`, 400],
      [`[${good},]`, 400],
      [`[,${good}]`, 400],
      [`[${good}${good}]`, 400],
      [`[${good}]]`, 400],
      [`[${good}][${good}]`, 400],
      [`[\n${good},\n${good}\n`, 400],
      ["[1]\n[2]", 400],
      [`[${good},x]`, 400],
      [`[${good},{]`, 400],
      [`[${good},"]`, 400],
      [`\u00a0[${good}]`, 400],
      ["[".repeat(1_000_000), 400],
      [good, 422],
      ["1", 422],
    ];
    for (const [body, status] of bodies) {
      expect([body.slice(0, 20), (await postBatch(body)).status]).toEqual([
        body.slice(0, 20),
        status,
      ]);
    }
    for (const torn of [`[${good},${good}]\n]`, "[1]\n[2]", "["]) {
      expect((await postBatch(torn, text)).status).toBe(400);
    }
    const deep = "[".repeat(1_000_000) + "]".repeat(1_000_000);
    expect((await postBatch(deep)).answer.rejected).toBe(1);
    expect(server.payloadLog.appends).toEqual([]);
  });

  test("is cut by a broken compression or encoding into nothing at all", async () => {
    const zipped = zstdCompressSync(lines);
    const headers = { ...ndjson, "content-encoding": "zstd" };
    expect((await postBatch(zipped.subarray(0, -3), headers)).status).toBe(400);
    const badText = Buffer.concat([Buffer.from(`[${good},"`), Buffer.from([0xff, 0x22, 0x5d])]);
    expect((await postBatch(badText)).status).toBe(400);
    expect(server.payloadLog.appends).toEqual([]);
  });

  test("loses no good line to one that is no UTF-8, or that looks like an array", async () => {
    const bad = [[0xff], [0xf0, 0x9f, 0x98], [0x22, 0xc3, 0x22]].map((bytes) => Buffer.from(bytes));
    const rows = [good, bad[0], good, bad[1], bad[2], "[1]", good];
    const separated = rows.flatMap((row) => [Buffer.from(row ?? ""), Buffer.from("\n")]);
    const { status, answer } = await postBatch(Buffer.concat(separated), ndjson);
    expect(status).toBe(202);
    expect(answer).toMatchObject({ accepted: 3, rejected: 4 });
    expect(answer.errors.map(({ index, detail }) => [index, detail])).toEqual([
      [1, "is not JSON"],
      [3, "is not JSON"],
      [4, "is not JSON"],
      [5, "must be a JSON object"],
    ]);
    for (const headers of [ndjson, text, {}]) {
      for (const [first, last] of [
        ["[1]", "[2]"],
        ["[]", "{}"],
      ]) {
        const found = await postBatch(`${first}\n${good}\n${last}`, headers);
        expect(found).toMatchObject({ status: 202, answer: { accepted: 1, rejected: 2 } });
      }
    }
  });

  test("that looks like an array and is none loses no declared line", async () => {
    for (const [first, last] of [
      ["[", "]"],
      ["[2026-01-01", "done]"],
    ]) {
      const { status, answer } = await postBatch(`${first}\n${good}\n${good}\n${last}`, ndjson);
      expect(status).toBe(202);
      expect(answer).toMatchObject({ accepted: 2, rejected: 2 });
    }
  });

  test("marks of the byte order belong to its beginning only, whatever its other lines are", async () => {
    const marked = `\ufeff${good}\n\ufeff${good}\n`;
    expect((await postBatch(marked, ndjson)).answer.accepted).toBe(1);
    const dirty = Buffer.concat([Buffer.from(marked), Buffer.from([0xff])]);
    expect((await postBatch(dirty, ndjson)).answer).toMatchObject({ accepted: 1, rejected: 2 });
  });

  test("of lines without end that are no UTF-8 is bounded like any other", async () => {
    const size = 8 * 1024 * 1024 - 1;
    const blank = Buffer.concat([Buffer.alloc(size, "\n"), Buffer.from([0xff])]);
    expect((await postBatch(blank, ndjson)).answer).toMatchObject({ accepted: 0, rejected: 1 });
    const many = Buffer.concat([Buffer.from([0xff]), Buffer.from("\n1".repeat(size / 2))]);
    expect((await postBatch(many, ndjson)).status).toBe(413);
  });

  test("declared as JSON is refused as a whole when no line of it is good", async () => {
    expect((await postBatch(`{"token": \n"x`)).status).toBe(400);
    expect((await postBatch(`{"payloads":[1,\n2,\n3`)).status).toBe(400);
    expect((await postBatch(`{"payloads":[${good},`.padEnd(70_000, " 1"))).status).toBe(400);
    const half = await postBatch(`${good}\n{"token": `);
    expect(half).toMatchObject({ status: 202, answer: { accepted: 1, rejected: 1 } });
  });

  test("whose answer is late is not counted as taken, and may be sent again soon", async () => {
    server.payloadLog.failure = new PayloadLogUnavailable("timeout");
    const response = await server.post("/stats/batch", lines, ndjson);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(server.counts.accepted).toBe(0);
  });

  test("leaves room for other requests while it is read", async () => {
    const { post } = server;
    const many = Array(40_000).fill(good).join("\n");
    let batchDone = false;
    const batch = post("/stats/batch", many, ndjson).then((response) => {
      batchDone = true;
      return response.status;
    });
    const start = performance.now();
    let answered = 0;
    while (!batchDone) {
      await post("/stats", good);
      answered++;
    }
    expect(await batch).toBe(202);
    expect(answered).toBeGreaterThan(5);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe("rows", () => {
  test("of an array are those that JSON.parse gives", () => {
    const json = fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 8 });
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1), (values, indent) => {
        const cut = arrayRows(JSON.stringify(values, null, indent), 100);
        expect(cut.kind === "rows" && cut.rows.map((row) => JSON.parse(row))).toEqual(
          JSON.parse(JSON.stringify(values)),
        );
      }),
      { numRuns: 1_000 },
    );
  });

  test("exist exactly for texts that are JSON arrays", () => {
    const piece = fc.constantFrom("[", "]", "{", "}", ",", '"', "\\", "1", '"a":', " ", "\u00a0");
    const parses = (source: string) => {
      try {
        return JSON.parse(source) as unknown;
      } catch {
        return undefined;
      }
    };
    const texts = fc.array(piece, { maxLength: 8 }).map((pieces) => `[${pieces.join("")}]`);
    fc.assert(
      fc.property(texts, (source) => {
        const cut = arrayRows(source, 100);
        const sound = cut.kind === "rows" && cut.rows.every((row) => parses(row) !== undefined);
        expect(sound).toBe(Array.isArray(parses(source)));
      }),
      { numRuns: 20_000 },
    );
  });

  test("of lines are the lines that are not blank", () => {
    const line = fc.constantFrom("", " ", "\r", "a", "b\r", '"x"', "\u00a0", "\f a\t");
    fc.assert(
      fc.property(fc.array(line), (source) => {
        const cut = lineRows(source.join("\n"), 1_000);
        // Only what JSON calls white space is none of a row.
        const expected = source
          .map((one) => one.replaceAll(/^[ \t\r]+|[ \t\r]+$/g, ""))
          .filter((one) => one !== "");
        expect(cut).toEqual({ kind: "rows", rows: expected });
      }),
    );
  });
});
