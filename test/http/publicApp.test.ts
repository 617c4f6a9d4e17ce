import { afterAll, describe, expect, test } from "bun:test";
import { Elysia, t } from "elysia";
import { Problem } from "../../src/http/problem.ts";
import { goodPayload, startIngestServer } from "../support/ingestServer.ts";
import { until } from "../support/until.ts";

const extra = new Elysia({ name: "extra" })
  .get("/boom", () => {
    throw new Error("inner secret");
  })
  .get("/refuse", () => {
    throw new Problem("conflict", "It is so.", { headers: { "x-test": "1" } });
  })
  .get("/typed", ({ query }) => query.limit, { query: t.Object({ limit: t.Integer() }) })
  .get("/rows/:customer/:content", () => "row");
const checks = [{ name: "nats", ok: true, detail: "connected" }];
const server = startIngestServer({ controllers: [extra], checks });
const sick = startIngestServer({
  ingestRole: false,
  checks: [...checks, { name: "postgres", ok: false, detail: "not connected" }],
});
afterAll(async () => {
  await Promise.all([server.stop(0), sick.stop(0)]);
});

async function problemOf(response: Response) {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  return (await response.json()) as { type: string; status: number; detail: string };
}

describe("health", () => {
  test("/livez answers whatever the checks say", async () => {
    const response = await fetch(`${sick.url}/livez`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: "ok" });
  });

  test("/readyz lists every check and is 503 when one is not good", async () => {
    const ready = await fetch(`${server.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ status: "ok", checks });
    const unready = await fetch(`${sick.url}/readyz`);
    expect(unready.status).toBe(503);
    expect(await unready.json()).toMatchObject({
      status: "unavailable",
      checks: [{ ok: true }, { name: "postgres", ok: false, detail: "not connected" }],
    });
  });
});

describe("problems", () => {
  test("tell an unknown path from an unknown method", async () => {
    const missing = await fetch(`${server.url}/nothing`);
    expect(missing.status).toBe(404);
    expect((await problemOf(missing)).type).toBe("urn:payload-stats:problem:not-found");
    for (const [path, method, allow] of [
      ["/stats/batch", "PUT", "POST"],
      ["/rows/a/b", "DELETE", "GET, HEAD"],
      ["/livez", "POST", "GET, HEAD"],
    ] as const) {
      const response = await fetch(server.url + path, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe(allow);
      expect((await problemOf(response)).status).toBe(405);
    }
  });

  test("take an empty name for no name, and do not mind a slash at the end", async () => {
    for (const path of ["/rows/a/", "/rows//b", "/rows//", "/rows/a/b/c", "/nothing/", "/"]) {
      expect((await fetch(server.url + path)).status).toBe(404);
    }
    for (const path of ["/rows/a/b/", "/livez/"]) {
      expect((await fetch(server.url + path)).status).toBe(200);
      const response = await fetch(server.url + path, { method: "PUT" });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, HEAD");
    }
  });

  test("do not depend on the name of the host", async () => {
    for (const host of ["x", "app", "localhost:8080", "stats.example.com"]) {
      expect((await fetch(`${server.url}/livez`, { headers: { host } })).status).toBe(200);
    }
  });

  test("are what controllers throw", async () => {
    const response = await fetch(`${server.url}/refuse`);
    expect(response.status).toBe(409);
    expect(response.headers.get("x-test")).toBe("1");
    expect((await problemOf(response)).detail).toBe("It is so.");
  });

  test("never repeat parameters that do not validate", async () => {
    const response = await fetch(`${server.url}/typed?limit=s3cret`);
    expect(response.status).toBe(400);
    const text = JSON.stringify(await problemOf(response));
    expect(text).toContain("/limit");
    expect(text).not.toContain("s3cret");
  });

  test("are bare for what nobody expected, and the log says why", async () => {
    const response = await fetch(`${server.url}/boom`);
    expect(response.status).toBe(500);
    expect(JSON.stringify(await problemOf(response))).not.toContain("inner secret");
    expect(server.logLines.join("")).toContain("inner secret");
  });
});

describe("roles", () => {
  test("without ingest there is no POST", async () => {
    const body = JSON.stringify(goodPayload);
    expect((await sick.post("/stats", body)).status).toBe(404);
    expect((await sick.post("/stats/batch", `[${body}]`)).status).toBe(404);
  });
});

describe("the document", () => {
  test("has every route, and for ingest every field, error and an example", async () => {
    const document = (await (await fetch(`${server.url}/swagger/json`)).json()) as {
      paths: Record<string, Record<string, { responses?: Record<string, unknown> }>>;
      components: { schemas: Record<string, { properties: Record<string, unknown> }> };
    };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(["/stats", "/stats/batch", "/livez", "/readyz", "/typed"]),
    );
    expect(Object.keys(document.components.schemas.Payload?.properties ?? {})).toEqual(
      Object.keys(goodPayload),
    );
    for (const path of ["/stats", "/stats/batch"]) {
      const responses = Object.keys(document.paths[path]?.post?.responses ?? {});
      for (const status of ["202", "400", "413", "415", "422", "503"]) {
        expect(responses).toContain(status);
      }
    }
    const references = JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g);
    for (const [, name = ""] of references) {
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
  });

  test("has a page for people", async () => {
    const page = await fetch(`${server.url}/swagger`);
    expect(page.headers.get("content-type")).toContain("text/html");
  });
});

describe("stopping", () => {
  test("lets requests in flight end, and is idempotent", async () => {
    const stopping = startIngestServer();
    const release = stopping.payloadLog.hold();
    const answer = stopping.post("/stats", JSON.stringify(goodPayload));
    await until(() => stopping.payloadLog.held === 1, { what: "the payload is on its way" });
    const stopped = stopping.stop(5_000);
    release();
    expect((await answer).status).toBe(202);
    await Promise.all([stopped, stopping.stop(5_000)]);
    expect(fetch(`${stopping.url}/livez`)).rejects.toThrow();
  });

  test("cuts what does not end in time", async () => {
    const stopping = startIngestServer();
    stopping.payloadLog.hold();
    const answer = stopping.post("/stats", JSON.stringify(goodPayload)).catch(() => "cut");
    await until(() => stopping.payloadLog.held === 1, { what: "the payload is on its way" });
    const start = performance.now();
    await stopping.stop(200);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(await answer).toBe("cut");
  });
});
