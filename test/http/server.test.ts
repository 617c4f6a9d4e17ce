/** What a listener says when it cannot be had, and how several share a port. */
import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { Elysia } from "elysia";
import { serveHttp } from "../../src/http/server.ts";
import { claimPort } from "../../src/http/tcpPort.ts";
import { silentLog } from "../../src/log.ts";

const named = { settings: { host: "HOST", port: "PORT" }, log: silentLog };

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

test("a connection waits for its answer however long, and is idle when it has it", async () => {
  const app = new Elysia().get("/", async () => {
    await Bun.sleep(5_000);
    return "made";
  });
  const server = serveHttp({ ...named, app, host: "127.0.0.1", port: 0, idleSeconds: 1 });
  const socket = connect(server.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  // Read until the server ends the connection.
  expect((await Array.fromAsync(socket)).join("")).toEndWith("made");
  await server.stop(0);
});

test("a body that does not come does not hold its connection open", async () => {
  const app = new Elysia().post("/", ({ request }) => request.text(), { parse: "none" });
  const server = serveHttp({ ...named, app, host: "127.0.0.1", port: 0, idleSeconds: 1 });
  const socket = connect(server.port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
  expect((await Array.fromAsync(socket)).join("")).not.toContain("200");
  await server.stop(0);
});

test("a shared port is served by those who join, and nobody else gets it", async () => {
  const place = { host: "127.0.0.1", settings: named.settings };
  const claim = claimPort({ ...place, port: 0 });
  const { port } = claim;
  const serve = (name: string, isShared = true) =>
    serveHttp({ ...named, ...place, port, isShared, app: new Elysia().get("/", () => name) });
  const [one, other] = [serve("one"), serve("other")];
  expect(() => serve("a third", false)).toThrow("set PORT to a free port");
  // The kernel chooses by the address that a connection comes from.
  const answers = Array.from({ length: 100 }, async () => {
    const answer = await fetch(one.url, { headers: { connection: "close" } });
    return answer.text();
  });
  expect(new Set(await Promise.all(answers))).toEqual(new Set(["one", "other"]));
  await Promise.all([one.stop(0), other.stop(0)]);
  claim.release();
});

describe("a port that is to be shared is refused", () => {
  const place = { host: "127.0.0.1", settings: named.settings };

  test("while anybody listens on it, sharing or not", async () => {
    for (const isShared of [false, true]) {
      const server = serveHttp({ ...named, ...place, app: new Elysia(), port: 0, isShared });
      const { port } = server;
      expect(() => claimPort({ ...place, port })).toThrow("set PORT to a free port");
      await server.stop(0);
      claimPort({ ...place, port }).release();
    }
  });

  test("while another process has claimed it, until that lets go", () => {
    const claim = claimPort({ ...place, port: 0 });
    const { port } = claim;
    expect(() => claimPort({ ...place, port })).toThrow("set PORT to a free port");
    claim.release();
    claimPort({ ...place, port }).release();
  });
});
