/** Invariant I11 at the door: what is in flight is bounded, and what is over gets 503. */
import { expect, test } from "bun:test";
import { connect } from "node:net";
import { Admission, Share } from "../../src/http/admission.ts";
import { decodeText, planBody, readBody } from "../../src/http/body.ts";
import { createIngest } from "../../src/http/ingest.ts";
import { Problem, problemResponse } from "../../src/http/problem.ts";
import { silentLog } from "../../src/log.ts";
import { examplePayload } from "../support/api.ts";
import { startPublicServer, type TestBody } from "../support/publicServer.ts";
import { RecordingPayloadLog } from "../support/recordingPayloadLog.ts";
import { until } from "../support/until.ts";

const good = JSON.stringify(examplePayload);

/** A share of a room of its own. */
function share(bytes: number): Share {
  return new Share(new Admission({ requestsMax: 1, bytesMax: bytes }), 0);
}

test("requests over the bound are refused at once, and room is given back", async () => {
  const server = startPublicServer({ singlesInFlight: { requestsMax: 3, bytesMax: 1e9 } });
  const release = server.payloadLog.hold();
  const held = [1, 2, 3].map(() => server.post("/stats", good));
  const refused = await until(
    async () => {
      const response = await server.post("/stats", good);
      return response.status === 503 && response;
    },
    { what: "the door is full" },
  );
  expect(refused.headers.get("retry-after")).toBe("1");
  expect(await refused.text()).toContain("urn:payload-stats:problem:overloaded");
  release();
  for (const response of await Promise.all(held)) expect(response.status).toBe(202);
  expect((await server.post("/stats", good)).status).toBe(202);
  await server.stop(0);
});

test("bytes over the bound are refused; batches and single payloads have rooms of their own", async () => {
  const server = startPublicServer({ batchesInFlight: { requestsMax: 10, bytesMax: 1_000 } });
  expect((await server.post("/stats/batch", `[${good}]`)).status).toBe(202);
  const large = `[${good}${" ".repeat(1_000)}]`;
  expect((await server.post("/stats/batch", large)).status).toBe(503);
  expect((await server.post("/stats", good)).status).toBe(202);
  expect(server.counts.refused.get("overloaded")).toBe(1);
  await server.stop(0);
});

test.each(["gzip", "zstd", "chunked"] as const)(
  "a batch that is %s takes the room of what it holds",
  async (form) => {
    const server = startPublicServer({ batchesInFlight: { requestsMax: 100, bytesMax: 40_000 } });
    const post = (text: string) => {
      if (form === "chunked") return server.post("/stats/batch", new Blob([text]).stream());
      const body = new Uint8Array(
        form === "gzip" ? Bun.gzipSync(text) : Bun.zstdCompressSync(text),
      );
      return server.post("/stats/batch", body, { "content-encoding": form });
    };
    const release = server.payloadLog.hold();
    const held = Array.from({ length: 40 }, () => post(`[${good}]`));
    await until(() => server.payloadLog.held === 40, { what: "all of them are let in" });
    const tooMuch = await post(`[${good}${" ".repeat(40_000)}]`);
    expect(tooMuch.status).toBe(503);
    expect(tooMuch.headers.get("retry-after")).toBe("1");
    release();
    for (const response of await Promise.all(held)) expect(response.status).toBe(202);
    // All that was refused or stored has given its room back.
    expect((await post(`[${good}${" ".repeat(39_000)}]`)).status).toBe(202);
    await server.stop(0);
  },
);

test("every way a request can end gives its room back", async () => {
  const server = startPublicServer({
    singlesInFlight: { requestsMax: 1, bytesMax: 65_536 },
    batchesInFlight: { requestsMax: 1, bytesMax: 8 * 1024 * 1024 },
  });
  const bodies = ["x", "{}", "\xff", " ".repeat(70_000), good];
  for (const body of [...bodies, ...bodies]) {
    for (const headers of [{}, { "content-encoding": "gzip" }, { "content-encoding": "zstd" }]) {
      expect((await server.post("/stats", body, headers)).status).not.toBe(503);
      expect((await server.post("/stats/batch", body, headers)).status).not.toBe(503);
    }
  }
  server.payloadLog.failure = new Error("broken");
  expect((await server.post("/stats", good)).status).toBe(500);
  expect((await server.post("/stats/batch", `[${good}]`)).status).toBe(500);
  server.payloadLog.clear();
  expect((await server.post("/stats", good)).status).toBe(202);
  await server.stop(0);
});

test("a client that goes away in the middle of its body gives its room back", async () => {
  const server = startPublicServer({ singlesInFlight: { requestsMax: 1, bytesMax: 65_536 } });
  for (const framing of ["content-length: 1000", "transfer-encoding: chunked"]) {
    const socket = connect(server.port, "127.0.0.1");
    const head = `POST /stats HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${framing}`;
    socket.write(`${head}\r\n\r\n${framing.startsWith("t") ? "5\r\n" : ""}{"tok`);
    await until(async () => (await server.post("/stats", good)).status === 503, {
      what: "the half request holds the only share",
    });
    socket.destroy();
    await until(async () => (await server.post("/stats", good)).status === 202, {
      what: "its share is free again",
    });
  }
  expect(server.logLines).toEqual([]);
  await server.stop(0);
});

test("a batch whose client goes away after some lines is not stored", async () => {
  const server = startPublicServer();
  const socket = connect(server.port, "127.0.0.1");
  const head = "POST /stats/batch HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson";
  socket.write(`${head}\r\ncontent-length: 10000\r\n\r\n${good}\n${good}\n`);
  socket.end();
  await until(() => server.counts.refused.get("malformed-body") === 1, { what: "it is refused" });
  expect(server.payloadLog.appends).toEqual([]);
  await server.stop(0);
});

test("a chunked body that never ends is refused without being kept", async () => {
  const server = startPublicServer();
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1024 * 1024;
      if (sent > 256 * 1024 * 1024) controller.close();
      else controller.enqueue(new Uint8Array(1024 * 1024).fill(0x20));
    },
  });
  const before = process.memoryUsage().rss;
  const response = await server.post("/stats/batch", endless);
  expect(response.status).toBe(413);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  await server.stop(0);
});

test("a body that takes too long is given up, compressed or not", async () => {
  for (const compression of [undefined, "gzip", "zstd"] as const) {
    const slow = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(0)),
    });
    const request = new Request("http://localhost/", { method: "POST", body: slow });
    const plan = { kind: "stream", compression, length: undefined, bytesMax: 100 } as const;
    expect(await readBody(request, plan, share(100), decodeText, 20)).toMatchObject({
      kind: "timeout",
    });
  }
});

test("a body of a declared length that takes too long is given up", async () => {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const plan = planBody(request.headers, 200_000);
      if (plan instanceof Problem) return problemResponse(plan);
      const read = await readBody(request, plan, share(100), decodeText, 50);
      return read instanceof Problem ? problemResponse(read) : new Response(null);
    },
  });
  const client = connect(server.port ?? 0, "127.0.0.1");
  const answer = new Promise((found) => client.once("data", (data) => found(String(data))));
  client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{");
  expect(await answer).toStartWith("HTTP/1.1 408 ");
  client.destroy();
  await server.stop(true);
});

test("who declares much and sends little takes little room", async () => {
  const payloadLog = new RecordingPayloadLog();
  const { batch } = createIngest({
    payloadLog,
    counters: { accepted: () => {}, refused: () => {} },
    log: silentLog,
    batchesInFlight: { requestsMax: 11, bytesMax: 100_000 },
  });
  const request = (body: TestBody, length: number) =>
    new Request("http://localhost/stats/batch", {
      method: "POST",
      body,
      headers: { "content-type": "application/json", "content-length": `${length}` },
    });
  const ends: (() => void)[] = [];
  const idle = Array.from({ length: 10 }, () => {
    const begun = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from("["));
        ends.push(() => controller.close());
      },
    });
    return batch(request(begun, 90_000));
  });
  const large = `[${good}${" ".repeat(80_000)}]`;
  expect((await batch(request(large, large.length))).status).toBe(202);
  // All ten were let in, and end before they are complete.
  for (const end of ends) end();
  for (const response of await Promise.all(idle)) {
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("ended before it was complete");
  }
  // Lines that are whole do not count when the body ends too early.
  const lines = `${good}\n${good}\n`;
  expect((await batch(request(new Blob([lines]).stream(), 10_000))).status).toBe(400);
  expect(payloadLog.appends).toHaveLength(1);
});

test("an admission lets in what fits", () => {
  const admission = new Admission({ requestsMax: 2, bytesMax: 10 });
  expect(admission.enter(11)).toBeUndefined();
  const six = admission.enter(6);
  expect(six).toBeDefined();
  expect(admission.enter(5)).toBeUndefined();
  expect(admission.enter(3)).toBeDefined();
  expect(admission.enter(0)).toBeUndefined();
  expect(six?.grow(2)).toBe(false);
  expect(six?.grow(1)).toBe(true);
  six?.leave();
  expect(admission.enter(8)).toBeUndefined();
  expect(admission.enter(7)).toBeDefined();
});

test("a body that grows is let in while others that do not hold most of the room", () => {
  const admission = new Admission({ requestsMax: 9, bytesMax: 10 });
  expect(admission.enter(6)).toBeDefined();
  expect(admission.enter(2, true)).toBeDefined();
});

test("bodies that grow begin while such hold no more than half of the room", async () => {
  const server = startPublicServer({ batchesInFlight: { requestsMax: 9, bytesMax: 40_000 } });
  const zipped = (text: string) =>
    server.post("/stats/batch", Bun.gzipSync(text), { "content-encoding": "gzip" });
  const release = server.payloadLog.hold();
  const plain = server.post("/stats/batch", `[${good}${" ".repeat(15_000)}]`);
  const small = zipped(`[${good}]`);
  const large = zipped(`[${good}${" ".repeat(20_000)}]`);
  await until(() => server.payloadLog.held === 3, { what: "all of them are let in" });
  expect((await zipped(`[${good}]`)).status).toBe(503);
  const another = server.post("/stats/batch", `[${good}]`);
  await until(() => server.payloadLog.held === 4, { what: "one that does not grow is let in" });
  release();
  for (const one of [plain, small, large, another]) expect((await one).status).toBe(202);
  await server.stop(0);
});
