import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { PayloadLogUnavailable } from "../../src/actors/ports.ts";
import { examplePayload } from "../support/api.ts";
import { startPublicServer, type TestBody } from "../support/publicServer.ts";

const good = JSON.stringify(examplePayload);
const server = startPublicServer();
afterAll(() => server.stop(0));
afterEach(() => server.payloadLog.clear());

/** A body without Content-Length. */
function chunked(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < text.length; at += 1_000) {
        controller.enqueue(new TextEncoder().encode(text.slice(at, at + 1_000)));
      }
      controller.close();
    },
  });
}

describe("a good payload", () => {
  test("is answered with its receipt and stored as it is", async () => {
    const response = await server.post("/stats", good);
    expect(response.status).toBe(202);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ receipt: "0.1.0" });
    expect(server.payloadLog.appends).toEqual([
      { payloads: [examplePayload], keyDigests: undefined },
    ]);
  });

  test("may be written in any way that JSON allows", async () => {
    const texts = [
      ` \n${good.replaceAll(",", " ,\t")}\r\n`,
      good.replace('"cdn":1', '"cdn":1.0').replace('"p2p":0', '"p2p":-0'),
      good.replace('"cdn":1', '"cdn":10e-1'),
      good.replace("channel1", "channe\\u006c1"),
      good.replace('"cdn"', '"c\\u0064n"'),
      `\ufeff${good}`,
      `{"unknown":{"cdn":1},"customer ":1,${good.slice(1)}`,
      `{"__proto__":{"cdn":2},"constructor":1,${good.slice(1)}`,
    ];
    for (const text of texts) {
      expect((await server.post("/stats", text)).status).toBe(202);
    }
    expect(server.payloadLog.payloads).toEqual(texts.map(() => examplePayload));
  });

  test("is taken with every type that devices send", async () => {
    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      'Application/JSON;charset="UTF-8"',
      "text/plain",
      "text/plain;charset=UTF-8",
      "application/json; profile=x",
    ]) {
      expect((await server.post("/stats", good, { "content-type": type })).status).toBe(202);
    }
  });

  test("is refused with every other type", async () => {
    for (const type of [
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/xml",
      "application/x-ndjson",
      "application/json; charset=iso-8859-1",
      "text/plain; charset=utf-16",
      "json",
    ]) {
      expect((await server.post("/stats", good, { "content-type": type })).status).toBe(415);
    }
    const untyped = await fetch(`${server.url}/stats`, { method: "POST", body: Buffer.from(good) });
    expect(untyped.status).toBe(415);
    expect(server.payloadLog.appends).toEqual([]);
  });

  test("may be compressed or chunked, up to the same limit", async () => {
    const full = good + " ".repeat(65_536 - good.length);
    const requests: [TestBody, Record<string, string>][] = [
      [good, { "content-encoding": "identity" }],
      [gzipSync(full), { "content-encoding": "gzip" }],
      [zstdCompressSync(full), { "content-encoding": "ZSTD" }],
      [full, {}],
      [chunked(full), {}],
    ];
    for (const [body, headers] of requests) {
      expect((await server.post("/stats", body, headers)).status).toBe(202);
    }
    const over = [chunked(`${full} `), `${full} `];
    for (const body of over) expect((await server.post("/stats", body)).status).toBe(413);
    const unknown = await server.post("/stats", good, { "content-encoding": "br" });
    expect(unknown.status).toBe(415);
    expect(unknown.headers.get("accept-encoding")).toBe("gzip, zstd");
  });

  test("is answered before the router, which keeps the other methods", async () => {
    const response = await server.post("/stats", good);
    expect(await response.json()).toEqual({ receipt: "0.1.0" });
    expect((await server.get("/stats")).status).toBe(200);
    const put = await fetch(`${server.url}/stats`, { method: "PUT" });
    expect(put.status).toBe(405);
    expect(put.headers.get("allow")).toBe("GET, HEAD, POST");
  });
});

describe("names", () => {
  const names = [
    "a.b.c",
    " leading and trailing ",
    "*",
    ">",
    "a.*.>",
    "\"double\" 'single' `back`",
    "'; DROP TABLE stats; --",
    "\\",
    "🎬👩‍👩‍👧",
    "قناة الرياضة",
    "\u202eevil\u202c",
    "é",
    "e\u0301",
    "é".repeat(256),
    "x".repeat(512),
    "__proto__",
    "constructor",
    "%2F",
    "%00",
    "/",
    "../../etc/passwd",
    "?a=b&c#d",
    "\ufffd",
    "\ufeffbom",
    "\u2028",
    "null",
    '{"cdn":1}',
    "token",
    "cdn",
    '"cdn":',
  ];

  test("arrive unchanged, whatever they hold", async () => {
    for (const name of names) {
      const payload = { ...examplePayload, token: name, customer: name, content: name };
      const response = await server.post("/stats", JSON.stringify(payload));
      expect([name, response.status]).toEqual([name, 202]);
      expect(server.payloadLog.payloads.at(-1)).toEqual(payload);
    }
  });

  test("are refused with line ends, which no listing could show", async () => {
    for (const name of ["a\r\nb", "a\nb", "a\r", "\t", "\u0000"]) {
      const payload = { ...examplePayload, customer: name };
      expect((await server.post("/stats", JSON.stringify(payload))).status).toBe(422);
    }
    expect(server.payloadLog.appends).toEqual([]);
  });
});

describe("a log that is not available", () => {
  test("gives 503, Retry-After and what to do", async () => {
    for (const reason of ["overloaded", "disconnected", "full", "timeout", "stopping"] as const) {
      server.payloadLog.failure = new PayloadLogUnavailable(reason);
      for (const path of ["/stats", "/stats/batch"]) {
        const body = path === "/stats" ? good : `[${good}]`;
        const response = await server.post(path, body);
        expect(response.status).toBe(503);
        expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
        expect(await response.text()).toContain("Idempotency-Key");
      }
    }
    expect(server.logLines).toEqual([]);
  });

  test("gives a bare 500 when it fails in a way nobody expected, and logs why", async () => {
    server.payloadLog.failure = new Error("inner secret");
    const response = await server.post("/stats", good);
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).toContain("urn:payload-stats:problem:internal");
    expect(text).not.toContain("inner secret");
    expect(server.logLines.join("")).toContain("inner secret");
    expect(server.logLines.join("")).not.toContain(examplePayload.token);
  });
});
