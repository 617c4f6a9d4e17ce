/** Requests whose Host header is missing or is no host, as a client of sockets can send them. */
import { afterAll, expect, test } from "bun:test";
import { asList, asObject } from "../support/answers.ts";
import { startPublicServer } from "../support/publicServer.ts";
import { rawAnswer } from "../support/tcp.ts";

const api = startPublicServer();
api.addStats(0, "Customer1", "channel1");
api.addStats(1, "Customer1", "channel1");
afterAll(() => api.stop(0));

async function ask(...lines: string[]) {
  const { status, body } = await rawAnswer(api.port, lines);
  return { status, body: asObject(JSON.parse(body)) };
}

test("without a Host, as in HTTP/1.0, every route answers", async () => {
  for (const path of ["/stats?limit=1", "/stats/Customer1/channel1?limit=1"]) {
    const { status, body } = await ask(`GET ${path} HTTP/1.0`);
    expect(status).toBe(200);
    expect(asList(body.rows)).toHaveLength(1);
  }
  expect((await ask("GET /readyz HTTP/1.0")).status).toBe(200);
  expect((await ask("GET /nothing HTTP/1.0")).status).toBe(404);
  expect((await ask("PUT /stats HTTP/1.0")).status).toBe(405);
  expect((await ask("GET /stats?limit=1 HTTP/1.1", "Host:")).status).toBe(200);
});

test("a Host that is none is refused, and is no failure of the server", async () => {
  for (const host of ["%", "[", "x:abc", "x:99999"]) {
    const { status, body } = await ask("GET /stats?limit=1 HTTP/1.1", `Host: ${host}`);
    expect(status).toBe(400);
    expect(body.type).toBe("urn:payload-stats:problem:invalid-request");
  }
  expect(api.logLines).toEqual([]);
});
