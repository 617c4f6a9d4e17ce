import { expect, test } from "bun:test";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { loopback, requireFreePort } from "../../src/embedded/ports.ts";
import { createLog } from "../../src/log.ts";
import { freePort } from "../support/servers.ts";
import { until } from "../support/until.ts";

const lines: string[] = [];
const log = createLog("warn", (line) => void lines.push(line), Date.now);

function requirePostgresPort(port: number): Promise<void> {
  return requireFreePort(port, "Postgres", "EMBEDDED_PG_PORT", "DATABASE_URL", log);
}

test("a port that nobody uses is free, again and again", async () => {
  const port = await freePort();
  await requirePostgresPort(port);
  await requirePostgresPort(port);
  expect(lines).toEqual([]);
});

test("a port that an outgoing connection has is waited for until the connection is gone", async () => {
  const accepted = Promise.withResolvers<Socket>();
  const listener = createServer((socket) => accepted.resolve(socket.resume()));
  const listening = once(listener, "listening");
  const port = await freePort();
  listener.listen(port, loopback);
  await listening;
  const outgoing = connect({ host: loopback, port });
  await once(outgoing, "connect");
  const serverEnd = await accepted.promise;
  const held = serverEnd.remotePort ?? 0;

  let isFree = false;
  const waiting = requirePostgresPort(held).then(() => {
    isFree = true;
  });
  await until(() => lines.length > 0, { what: "the wait was told" });
  expect(lines.join()).toContain("waiting for a connection to leave the Postgres port");
  expect(lines.join()).toContain(String(held));
  expect(isFree).toBe(false);

  // The end that closes first keeps its port for a minute, so that ours is free at once.
  serverEnd.end();
  await once(outgoing, "close");
  await waiting;
  expect(lines).toHaveLength(1);
  listener.close();
});
