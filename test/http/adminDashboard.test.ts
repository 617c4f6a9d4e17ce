import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { type AdminServer, startAdminServer } from "../support/adminServer.ts";

let api: AdminServer;
beforeAll(() => {
  api = startAdminServer();
});
afterAll(() => api.server.stop(0));

test("the page may run its own script and style, and load nothing", async () => {
  const response = await api.get("/admin");
  const page = await response.text();
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toStartWith("default-src 'none'");
  for (const element of ["script", "style"]) {
    const inside = page.split(`<${element}>`)[1]?.split(`</${element}>`)[0] ?? "";
    const hash = createHash("sha256").update(inside).digest("base64");
    expect(inside.length).toBeGreaterThan(100);
    expect(policy).toContain(`${element}-src 'sha256-${hash}'`);
  }
  expect(page).not.toMatch(
    /https?:|\sstyle=|\son\w+=|innerHTML|insertAdjacentHTML|document\.write/,
  );
});

test("the page asks for what the API has", async () => {
  const page = await (await api.get("/admin")).text();
  for (const path of ["/admin/actors", "/admin/partitions", "/admin/projections"]) {
    expect(page).toContain(path);
    expect((await api.get(path)).status).toBe(200);
  }
});
