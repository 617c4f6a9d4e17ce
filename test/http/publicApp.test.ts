import { afterAll, describe, expect, test } from "bun:test";
import { examplePayload } from "../support/api.ts";
import { startPublicServer } from "../support/publicServer.ts";
import { until } from "../support/until.ts";

const checks = [{ name: "nats", ok: true, detail: "connected" }];
const server = startPublicServer({ checks });
const sick = startPublicServer({
  checks: [...checks, { name: "postgres", ok: false, detail: "not connected" }],
});
afterAll(async () => {
  await Promise.all([server.stop(0), sick.stop(0)]);
});

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

describe("the document", () => {
  test("has every route, and for ingest every field, error and an example", async () => {
    const document = (await (await fetch(`${server.url}/swagger/json`)).json()) as {
      paths: Record<string, Record<string, { responses?: Record<string, unknown> }>>;
      components: { schemas: Record<string, { properties: Record<string, unknown> }> };
    };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(["/stats", "/stats/batch", "/sessions", "/livez", "/readyz"]),
    );
    expect(Object.keys(document.components.schemas.Payload?.properties ?? {})).toEqual(
      Object.keys(examplePayload),
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
    const stopping = startPublicServer();
    const release = stopping.payloadLog.hold();
    const answer = stopping.post("/stats", JSON.stringify(examplePayload));
    await until(() => stopping.payloadLog.held === 1, { what: "the payload is on its way" });
    const stopped = stopping.stop(5_000);
    release();
    expect((await answer).status).toBe(202);
    await Promise.all([stopped, stopping.stop(5_000)]);
    expect(fetch(`${stopping.url}/livez`)).rejects.toThrow();
  });

  test("cuts what does not end in time", async () => {
    const stopping = startPublicServer();
    stopping.payloadLog.hold();
    const answer = stopping.post("/stats", JSON.stringify(examplePayload)).catch(() => "cut");
    await until(() => stopping.payloadLog.held === 1, { what: "the payload is on its way" });
    const start = performance.now();
    await stopping.stop(200);
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(await answer).toBe("cut");
  });
});
