/** What a listener says when it cannot be had. */
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
