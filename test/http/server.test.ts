/** What a listener says when it cannot be had, and how several share a port. */
import { expect, test } from "bun:test";
import { Elysia } from "elysia";
import { serveHttp } from "../../src/http/server.ts";
import { createLog } from "../../src/log.ts";

const log = createLog("error", () => {}, Date.now);
const named = { settings: { host: "HOST", port: "PORT" }, log };

// 192.0.2.0/24 is for documentation: no machine has an address of it.
test.each(["not a host", "192.0.2.1"])("the host %s is named, with its setting", (host) => {
  const listen = () => serveHttp({ ...named, app: new Elysia(), host, port: 0 });
  expect(listen).toThrow(
    `port 0 of ${host} cannot be listened on: set HOST to a name or address of this machine`,
  );
});

test("a taken port is named, with its setting", async () => {
  const options = { ...named, app: new Elysia(), host: "127.0.0.1" };
  const server = serveHttp({ ...options, port: 0 });
  expect(() => serveHttp({ ...options, port: server.port })).toThrow("set PORT to a free port");
  await server.stop(0);
});

test("a shared port is served by those who join, and nobody else gets it", async () => {
  const options = (name: string) => {
    const app = new Elysia().get("/", () => name);
    return { ...named, app, host: "127.0.0.1" };
  };
  const first = serveHttp({ ...options("first"), port: 0, sharing: "first" });
  const { port, url } = first;
  const further = serveHttp({ ...options("further"), port, sharing: "further" });
  for (const sharing of ["alone", "first"] as const) {
    expect(() => serveHttp({ ...options("other"), port, sharing })).toThrow(
      "set PORT to a free port",
    );
  }
  // The kernel chooses by the address that a connection comes from.
  const answers = Array.from({ length: 100 }, async () => {
    const answer = await fetch(url, { headers: { connection: "close" } });
    return answer.text();
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set(["first", "further"]));
  await Promise.all([first.stop(0), further.stop(0)]);
});

test("a process that is about to share a port gets there before another one", async () => {
  const options = { ...named, app: new Elysia(), host: "127.0.0.1", sharing: "first" as const };
  const before = serveHttp({ ...options, port: 0 });
  await before.stop(0);
  const { port } = before;
  const unix = `\0payload-stats 127.0.0.1:${port}`;
  const other = Bun.listen({ unix, socket: { data: () => {} } });
  expect(() => serveHttp({ ...options, port })).toThrow("set PORT to a free port");
  other.stop();
  await serveHttp({ ...options, port }).stop(0);
});
