/** What an application answers when something goes wrong, on routes that were made for it. */
import { afterAll, expect, test } from "bun:test";
import { Elysia } from "elysia";
import { Problem } from "../../src/http/problem.ts";
import { createRootApp } from "../../src/http/rootApp.ts";
import { serveHttp } from "../../src/http/server.ts";
import { createLog } from "../../src/log.ts";
import { expectProblem } from "../support/answers.ts";

const routes = new Elysia({ name: "routes" })
  .get("/boom", () => {
    throw new Error("inner secret");
  })
  .get("/refuse", () => {
    throw new Problem("conflict", "It is so.", { headers: { "x-test": "1" } });
  })
  .get("/rows/:customer/:content", () => "row")
  .get("/ping", () => "pong")
  .post("/posted", () => "taken");
const logLines: string[] = [];
const log = createLog(
  "debug",
  (line) => logLines.push(line),
  () => 0,
);
const app = createRootApp("test", log).use(routes);
const server = serveHttp({ app, host: "127.0.0.1", port: 0, log });
afterAll(() => server.stop(0));

test("an unknown path is told from an unknown method", async () => {
  const missing = await expectProblem(await fetch(`${server.url}/nothing`), 404);
  expect(missing.type).toBe("urn:payload-stats:problem:not-found");
  for (const [path, method, allow] of [
    ["/posted", "PUT", "POST"],
    ["/rows/a/b", "DELETE", "GET, HEAD"],
    ["/ping", "POST", "GET, HEAD"],
  ] as const) {
    const response = await fetch(server.url + path, { method });
    expect(response.headers.get("allow")).toBe(allow);
    await expectProblem(response, 405);
  }
});

test("an empty name is no name, and a slash at the end makes another path", async () => {
  const others = ["/rows/a/", "/rows//b", "/rows//", "/rows/a/b/c", "/rows/a/b/", "/ping/", "/"];
  for (const path of others) {
    for (const method of ["GET", "PUT"]) {
      expect((await fetch(server.url + path, { method })).status).toBe(404);
    }
  }
  for (const path of ["/rows/a/b", "/ping"]) {
    expect((await fetch(server.url + path)).status).toBe(200);
    const response = await fetch(server.url + path, { method: "PUT" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, HEAD");
  }
});

test("the name of the host does not matter", async () => {
  for (const host of ["x", "app", "localhost:8080", "stats.example.com"]) {
    expect((await fetch(`${server.url}/ping`, { headers: { host } })).status).toBe(200);
  }
});

test("a problem that a controller throws is the answer", async () => {
  const response = await fetch(`${server.url}/refuse`);
  expect(response.headers.get("x-test")).toBe("1");
  expect((await expectProblem(response, 409)).detail).toBe("It is so.");
});

test("what nobody expected is answered barely, and the log says why", async () => {
  const problem = await expectProblem(await fetch(`${server.url}/boom`), 500);
  expect(JSON.stringify(problem)).not.toContain("inner secret");
  expect(logLines.join("")).toContain("inner secret");
});
