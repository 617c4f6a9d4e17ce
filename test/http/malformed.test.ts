/** Bodies that are wrong in every way we know: a refusal, never a 5xx, and nothing stored. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { examplePayload } from "../support/api.ts";
import { startPublicServer, type TestBody } from "../support/publicServer.ts";

const good = JSON.stringify(examplePayload);
const withField = (field: string, json: string) =>
  good.replace(new RegExp(`"${field}":[^,}]+`), `"${field}":${json}`);
const without = (field: string) => JSON.stringify({ ...examplePayload, [field]: undefined });
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))),
  );

const gzip = { "content-encoding": "gzip" };
const zstd = { "content-encoding": "zstd" };
const smallBomb = Buffer.alloc(8 * 1024 * 1024);
const bomb = Buffer.alloc(256 * 1024 * 1024);

interface Case {
  readonly body: TestBody;
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly pointers?: readonly string[];
}

const notJson: Record<string, Case> = {
  empty: { body: "", status: 400 },
  "white space": { body: " \n", status: 400 },
  truncated: { body: good.slice(0, -5), status: 400 },
  "text after the end": { body: `${good}x`, status: 400 },
  "two objects": { body: `${good}${good}`, status: 400 },
  "not-a-number": { body: withField("cdn", "NaN"), status: 400 },
  "single quotes": { body: good.replaceAll('"', "'"), status: 400 },
  "control character inside a string": { body: good.replace("channel1", "a\nb"), status: 400 },
  "half a deep nesting": { body: "[".repeat(60_000), status: 400 },
  "bad UTF-8": { body: bytes('{"token":"', [0xff, 0xfe], '"}'), status: 400 },
  "cut-off UTF-8": { body: bytes(good, [0xf0, 0x9f]), status: 400 },
  "UTF-8 surrogate": { body: bytes('{"token":"', [0xed, 0xa0, 0x80], '"}'), status: 400 },
  "bad gzip": { body: good, status: 400, headers: gzip },
  "bad zstd": { body: good, status: 400, headers: zstd },
  "truncated gzip": { body: gzipSync(good).subarray(0, -4), status: 400, headers: gzip },
  "truncated zstd": { body: zstdCompressSync(good).subarray(0, -4), status: 400, headers: zstd },
  "empty gzip": { body: "", status: 400, headers: gzip },
  "text after the gzip": { body: bytes([...gzipSync(good)], "x"), status: 400, headers: gzip },
  "text after the zstd": {
    body: bytes([...zstdCompressSync(good)], "x"),
    status: 400,
    headers: zstd,
  },
};

const tooLarge: Record<string, Case> = {
  "one byte over": { body: `${" ".repeat(65_537 - good.length)}${good}`, status: 413 },
  "deep nesting of 100,000": { body: "[".repeat(1e5) + "]".repeat(1e5), status: 413 },
  "20 MiB": { body: " ".repeat(20 * 1024 * 1024), status: 413 },
  "gzip bomb": { body: gzipSync(smallBomb), status: 413, headers: gzip },
  "zstd bomb": { body: zstdCompressSync(smallBomb), status: 413, headers: zstd },
};

const invalid: Record<string, Case> = {
  null: { body: "null", status: 422, pointers: [""] },
  number: { body: "1", status: 422, pointers: [""] },
  array: { body: `[${good}]`, status: 422, pointers: [""] },
  "deep array": { body: "[".repeat(30_000) + "]".repeat(30_000), status: 422, pointers: [""] },
  "deep unknown field": {
    body: `{"x":${"[".repeat(30_000)}${"]".repeat(30_000)}}`,
    status: 422,
  },
  "no fields": {
    body: "{}",
    status: 422,
    pointers: ["/token", "/customer", "/content", "/timespan", "/p2p", "/cdn", "/sessionDuration"],
  },
  "fields of a prototype": {
    body: `{"__proto__":${good}}`,
    status: 422,
  },
  "two bad fields": {
    body: withField("token", "7").replace('"cdn":1', '"cdn":"1"'),
    status: 422,
    pointers: ["/token", "/cdn"],
  },
  "missing cdn": { body: without("cdn"), status: 422, pointers: ["/cdn"] },
  "duplicate key": { body: `${good.slice(0, -1)},"cdn":1}`, status: 422, pointers: ["/cdn"] },
  "escaped duplicate key": {
    body: `${good.slice(0, -1)},"c\\u0064n":1}`,
    status: 422,
    pointers: ["/cdn"],
  },
};

for (const json of [
  "1e400",
  "1.5",
  "-1",
  "9007199254740992",
  '"1"',
  "null",
  "true",
  "[1]",
  "{}",
  "-1e-5",
]) {
  invalid[`integer ${json}`] = { body: withField("cdn", json), status: 422, pointers: ["/cdn"] };
}
for (const [what, json] of Object.entries({
  empty: '""',
  NUL: '"a\\u0000b"',
  CR: '"a\\rb"',
  LF: '"a\\nb"',
  "C1 control": '"a\\u0085b"',
  DEL: '"a\\u007fb"',
  "lone surrogate": '"a\\ud800b"',
  "wrong order of surrogates": '"\\udc00\\ud800"',
  "513 bytes": `"${"é".repeat(256)}a"`,
  number: "1",
  null: "null",
  object: "{}",
})) {
  invalid[`text: ${what}`] = {
    body: withField("customer", json),
    status: 422,
    pointers: ["/customer"],
  };
}

const server = startPublicServer();
afterAll(() => server.stop(0));
beforeEach(() => server.payloadLog.clear());

for (const [group, cases] of Object.entries({ notJson, tooLarge, invalid })) {
  describe(`a single payload: ${group}`, () => {
    for (const [name, { body, status, headers, pointers }] of Object.entries(cases)) {
      test(name, async () => {
        const response = await server.post("/stats", body, headers);
        expect(response.status).toBe(status);
        expect(response.headers.get("content-type")).toBe("application/problem+json");
        const problem = (await response.json()) as {
          type: string;
          status: number;
          errors: { pointer: string }[];
        };
        expect(problem.type).toStartWith("urn:payload-stats:problem:");
        expect(problem.status).toBe(status);
        if (pointers !== undefined) {
          expect(problem.errors.map((error) => error.pointer)).toEqual([...pointers]);
        }
        expect(server.payloadLog.appends).toEqual([]);
        expect(server.counts.accepted).toBe(0);
      });
    }
  });
}

test("bombs take no more memory than an honest body", async () => {
  const bodies = [
    { body: gzipSync(bomb), headers: gzip },
    { body: zstdCompressSync(bomb), headers: zstd },
  ];
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 5; i++) {
    for (const { body, headers } of bodies) {
      expect(body.length).toBeLessThan(1024 * 1024);
      expect((await server.post("/stats/batch", body, headers)).status).toBe(413);
    }
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(bomb.length);
});

test("no refusal repeats what was sent, and nothing is logged", async () => {
  const secret = "s3cret-token";
  const body = JSON.stringify({ ...examplePayload, token: secret, cdn: secret, [secret]: 1 });
  const response = await server.post("/stats", body);
  expect(response.status).toBe(422);
  expect(await response.text()).not.toContain(secret);
  expect(server.logLines).toEqual([]);
});
