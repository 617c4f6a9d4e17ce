import { afterAll, beforeAll, expect, spyOn, test } from "bun:test";
import { silentLog } from "../../src/log.ts";
import { connectNats, NatsUnusable } from "../../src/nats/connection.ts";
import { parseNatsUrl } from "../../src/nats/natsUrl.ts";
import { freePort, freshNatsServer, type NatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { connectTo, pause } from "./support.ts";

let server: NatsServer;
beforeAll(async () => {
  server = await freshNatsServer();
});
afterAll(() => server.stop());

/** A server that greets with this version and answers pings, and no more. */
function fakeServer(info: Readonly<Record<string, unknown>>) {
  const greeting = { server_id: "fake", proto: 1, headers: true, max_payload: 1_048_576, ...info };
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => void socket.write(`INFO ${JSON.stringify(greeting)}\r\n`),
      data: (socket, data) => {
        if (data.toString().includes("PING")) socket.write("PONG\r\n");
        // What a server without JetStream says to a request for it.
        const request = /PUB \$JS\S+ (\S+) \d+/.exec(data.toString());
        const subscription = /SUB (_INBOX\.\S+) (\d+)/.exec(data.toString());
        if (request === null || subscription === null) return;
        const status = "NATS/1.0 503\r\n\r\n";
        socket.write(`HMSG ${request[1]} ${subscription[2]} 16 16\r\n${status}\r\n`);
      },
    },
  });
  return { url: `nats://127.0.0.1:${listener.port}`, stop: () => listener.stop(true) };
}

async function refusalOf(url: string): Promise<string> {
  const options = { url, name: "test", log: silentLog, connectTimeoutMs: 600 };
  const error = await connectNats(options).catch((failure: unknown) => failure);
  if (!(error instanceof NatsUnusable)) throw new Error("it was usable", { cause: error });
  return error.message;
}

test("a server that is not there is reported within the time given", async () => {
  const startMs = performance.now();
  const message = await refusalOf(`nats://user:secret@127.0.0.1:${await freePort()}`);
  expect(message).toContain("no NATS server answers at 127.0.0.1:");
  expect(message).not.toContain("secret");
  expect(performance.now() - startMs).toBeLessThan(4_000);
});

test("a server that comes up in time is waited for", async () => {
  const late = await freshNatsServer();
  await late.kill("SIGTERM");
  const connecting = connectTo(late.url);
  await late.start();
  const link = await connecting;
  expect(link.connected).toBe(true);
  await link.close();
  await late.stop();
});

test("a server that is too old is refused", async () => {
  for (const version of ["2.9.9", "2.8.4", "1.4.1"]) {
    const old = fakeServer({ version, jetstream: true });
    expect(await refusalOf(old.url)).toContain(`${version} is too old: 2.9.10 or newer`);
    old.stop();
  }
});

test("a server without JetStream is refused", async () => {
  const plain = fakeServer({ version: "2.10.0" });
  expect(await refusalOf(plain.url)).toContain("JetStream is not available");
  plain.stop();
});

test("no socket is left of a server that takes connections and says nothing", async () => {
  let [opened, open] = [0, 0];
  const silent = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: () => {
        opened++;
        open++;
      },
      close: () => void open--,
      data: () => {},
    },
  });
  await refusalOf(`nats://127.0.0.1:${silent.port}`);
  expect(opened).toBeGreaterThan(0);
  await until(() => open === 0, { what: "all sockets to be closed" });
  silent.stop(true);
});

test("several servers may be given; one of them is enough", async () => {
  const link = await connectTo(`nats://127.0.0.1:${await freePort()},${server.url}`);
  expect(link.connected).toBe(true);
  expect(link.serverVersion).toMatch(/^2\./);
  await link.close();
});

test("the loss and return of the connection are reported", async () => {
  const link = await connectTo(server.url);
  const changes: boolean[] = [];
  const unsubscribe = link.onChange((connected) => changes.push(connected));
  await server.kill("SIGKILL");
  await until(() => !link.connected, { what: "the loss is noticed" });
  await server.start();
  await until(() => link.connected, { what: "the connection is back" });
  expect(changes).toEqual([false, true]);
  unsubscribe();
  await Promise.all([link.close(), link.close()]);
  await link.closed;
  expect(link.connected).toBe(false);
  expect(changes).toEqual([false, true]);
});

test("a wall clock that was set back holds up no connection", async () => {
  let aheadMs = 7_200_000;
  const now = () => performance.timeOrigin + performance.now() + aheadMs;
  const wallClock = spyOn(Date, "now").mockImplementation(now);
  const link = await connectTo(`${server.url},127.0.0.1:${await freePort()}`);
  try {
    for (aheadMs of [3_600_000, 0]) {
      await server.kill("SIGKILL");
      await until(() => !link.connected, { what: "the loss is noticed" });
      await server.start();
      await until(() => link.connected, { what: "the connection is back" });
    }
  } finally {
    wallClock.mockRestore();
    await link.close();
  }
});

test("closing does not hang when the server is away or silent", async () => {
  const away = await connectTo(server.url);
  const silent = await connectTo(server.url);
  await pause(server);
  await silent.close();
  await server.kill("SIGKILL");
  await until(() => !away.connected, { what: "the loss is noticed" });
  await away.close();
  await server.start();
});

test("a URL is taken apart for the client", () => {
  expect(parseNatsUrl("nats://a:1, b ,tls://[::1]:5")).toEqual({
    servers: ["a:1", "b:4222", "[::1]:5"],
    tls: {},
  });
  expect(parseNatsUrl("nats://me:p%40ss@a")).toEqual({
    servers: ["a:4222"],
    user: "me",
    pass: "p@ss",
  });
  expect(parseNatsUrl("nats://secret@a,b")).toEqual({
    servers: ["a:4222", "b:4222"],
    token: "secret",
  });
});
