import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type AdminServer, startAdminServer } from "../support/adminServer.ts";
import { asObject, expectProblem, readObject } from "../support/answers.ts";
import { rawAnswer } from "../support/tcp.ts";

const token = "a-secret-of-32-characters-or-more";
const guarded = [
  "/admin/actors",
  "/admin/actors/a/b",
  "/admin/partitions",
  "/admin/projections",
  "/admin/events",
  "/admin/quarantine",
  "/admin/quarantine/7.1042.3",
  "/admin/ledger",
  "/metrics",
  "/readyz",
  "/swagger",
  "/swagger/json",
  "/nowhere",
];

/** The routes of a document, and whether it says that they may answer with a status. */
async function documented(document: Response, status: number) {
  const { paths } = await readObject(document);
  return Object.entries(asObject(paths)).flatMap(([path, operations]) =>
    Object.entries(asObject(operations)).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replace(/\{\w+\}/g, "x"),
      isSaid: String(status) in asObject(asObject(operation).responses),
    })),
  );
}

describe("with a token", () => {
  let api: AdminServer;
  beforeAll(() => {
    api = startAdminServer(token);
  });
  afterAll(() => api.server.stop(0));

  const wrong = [
    undefined,
    "",
    token,
    "Bearer",
    "Bearer ",
    `Basic ${token}`,
    `Bearer ${token}x`,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer x ${token}`,
    `Bearer ${token.toUpperCase()}`,
  ];

  test.each(guarded)("%s needs it", async (path) => {
    for (const authorization of wrong) {
      const headers = authorization === undefined ? {} : { authorization };
      const response = await api.get(path, headers);
      expect(response.headers.get("www-authenticate")).toStartWith("Bearer");
      const problem = await expectProblem(response, 401);
      expect(JSON.stringify(problem)).not.toContain("secret");
    }
    for (const scheme of ["Bearer", "bearer"]) {
      expect((await api.get(path, { authorization: `${scheme} ${token}` })).status).not.toBe(401);
    }
  });

  test("commands need it", async () => {
    await expectProblem(await api.post("/admin/projections/stats/rebuild"), 401);
    await expectProblem(await api.post("/admin"), 401);
    expect(api.projections.commands).toEqual([]);
  });

  test("liveness and the page itself do not", async () => {
    for (const path of ["/livez", "/admin"]) expect((await api.get(path)).status).toBe(200);
  });

  test("the OpenAPI document says where it is needed", async () => {
    const document = await api.get("/swagger/json", { authorization: `Bearer ${token}` });
    for (const { method, path, isSaid } of await documented(document, 401)) {
      const response = await fetch(api.server.url + path, { method });
      expect([method, path, response.status === 401]).toEqual([method, path, isSaid]);
    }
  });

  test("any host name is served", async () => {
    const headers = { authorization: `Bearer ${token}`, host: "admin.example.com" };
    expect((await api.get("/admin/partitions", headers)).status).toBe(200);
  });

  test("a page behind a proxy that names another host can give commands", async () => {
    const headers = { authorization: `Bearer ${token}`, origin: "https://admin.example.com" };
    const method = "POST";
    const command = `${api.server.url}/admin/projections/stats/resume`;
    expect((await fetch(command, { method, headers })).status).toBe(202);
  });

  test("it is not written to the log", () => {
    expect(api.logLines.join("")).not.toContain("secret");
  });
});

describe("without a token", () => {
  let api: AdminServer;
  beforeAll(() => {
    api = startAdminServer();
  });
  afterAll(() => api.server.stop(0));

  async function statusOf(method: string, path: string, lines: readonly string[]) {
    const head = [`${method} ${path} HTTP/1.1`, ...lines, "Content-Length: 0"];
    return (await rawAnswer(api.server.port, head)).status;
  }

  test.each(["localhost", "LOCALHOST", "127.0.0.1", "127.9.8.7", "[::1]"])(
    "%s is served",
    async (host) => {
      for (const name of [host, `${host}:8081`]) {
        expect(await statusOf("GET", "/admin/partitions", [`Host: ${name}`])).toBe(200);
      }
    },
  );

  const strangers = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example:8081",
    "10.0.0.1",
    "0.0.0.0",
    "[::2]",
    "user@evil.example",
  ];

  test.each(strangers)("%s is not", async (host) => {
    for (const path of [...guarded, "/livez", "/admin"]) {
      expect(await statusOf("GET", path, [`Host: ${host}`])).toBe(403);
    }
    const command = "/admin/projections/stats/rebuild";
    expect(await statusOf("POST", command, [`Host: ${host}`])).toBe(403);
  });

  test("the OpenAPI document says that other hosts are refused", async () => {
    for (const { method, path, isSaid } of await documented(await api.get("/swagger/json"), 403)) {
      const status = await statusOf(method, path, ["Host: evil.example"]);
      expect([method, path, status === 403]).toEqual([method, path, isSaid]);
    }
  });

  const commandPath = "/admin/projections/stats/rebuild";
  const otherPages = [
    ["Origin: https://evil.example"],
    ["Origin: null"],
    ["Origin: http://localhost:1"],
    ["Sec-Fetch-Site: cross-site"],
    ["Sec-Fetch-Site: same-site"],
    ["Origin: http://localhost:8081", "Sec-Fetch-Site: cross-site"],
  ];

  test.each(otherPages.map((lines) => [lines.join(", "), lines] as const))(
    "a page with %s cannot give commands",
    async (_title, lines) => {
      const host = "Host: localhost:8081";
      expect(await statusOf("POST", commandPath, [host, ...lines])).toBe(403);
      expect(api.projections.commands).toEqual([]);
    },
  );

  test("no answer lets another origin read it", async () => {
    const response = await api.get("/admin/partitions", { origin: "https://evil.example" });
    expect(response.headers.has("access-control-allow-origin")).toBe(false);
    const method = "OPTIONS";
    const preflight = await fetch(api.server.url + commandPath, { method });
    expect(preflight.headers.has("access-control-allow-origin")).toBe(false);
    expect(preflight.ok).toBe(false);
  });

  test("curl and the page of its own can", async () => {
    const host = "Host: localhost:8081";
    const own = [host, "Origin: http://localhost:8081", "Sec-Fetch-Site: same-origin"];
    for (const lines of [[host], own]) {
      expect(await statusOf("POST", commandPath, lines)).toBe(202);
    }
  });
});
