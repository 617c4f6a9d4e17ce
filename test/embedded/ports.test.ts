import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { loopback, type PortNeeded, requireFreePort } from "../../src/embedded/ports.ts";
import { createLog } from "../../src/log.ts";
import { type OutgoingConnection, outgoingConnection } from "../support/outgoingConnection.ts";
import { freePort } from "../support/servers.ts";
import { until } from "../support/until.ts";

const lines: string[] = [];
const log = createLog("warn", (line) => void lines.push(line), Date.now);
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  lines.length = 0;
});

function requirePort(port: number, more: Partial<PortNeeded> = {}): Promise<void> {
  const advice = "set EMBEDDED_PG_PORT to a free port";
  return requireFreePort(port, { server: "the embedded Postgres", advice, log, ...more });
}

/** A connection that has a port until the end of the test. */
async function held(): Promise<OutgoingConnection> {
  const connection = await outgoingConnection();
  ends.push(connection.close);
  return connection;
}

test("a port that nobody uses is free, again and again", async () => {
  const port = await freePort();
  await requirePort(port);
  await requirePort(port);
  expect(lines).toEqual([]);
});

test("a port on which a program listens but does not answer is taken", async () => {
  // Of a process that is stopped, the queue of connections fills up.
  const script = `const s = require("node:net").createServer().listen(0, "${loopback}",
    () => console.log(s.address().port))`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  ends.push(() => child.kill("SIGKILL"));
  const { value } = await child.stdout.getReader().read();
  const port = Number(new TextDecoder().decode(value));
  child.kill("SIGSTOP");
  const queued = Array.from({ length: 1_000 }, () => connect({ host: loopback, port }));
  for (const socket of queued) socket.on("error", () => {});
  ends.push(() => {
    for (const socket of queued) socket.destroy();
  });
  await until(() => queued[0]?.readyState === "open", { what: "the first one is queued" });
  await expect(requirePort(port)).rejects.toThrow(
    `port ${port} for the embedded Postgres is taken`,
  );
  expect(lines).toEqual([]);
});

describe("a port that a connection has", () => {
  test("is waited for until the connection is gone", async () => {
    const connection = await held();
    const waiting = requirePort(connection.port);
    await until(() => lines.length > 0, { what: "the wait was told" });
    expect(lines.join()).toContain(
      "waiting for a connection to leave the port of the embedded Postgres",
    );
    expect(lines.join()).toContain(String(connection.port));
    await connection.close();
    await waiting;
    expect(lines).toHaveLength(1);
  });

  test("is given up after a while", async () => {
    const { port } = await held();
    await expect(requirePort(port, { patienceMs: 300 })).rejects.toThrow(
      `port ${port} for the embedded Postgres is held by a connection: set EMBEDDED_PG_PORT`,
    );
  });

  test("is given up when the process is to end", async () => {
    const { port } = await held();
    const abort = new AbortController();
    const waiting = requirePort(port, { signal: abort.signal });
    await until(() => lines.length > 0, { what: "the wait was told" });
    abort.abort();
    await expect(waiting).rejects.toThrow("is held by a connection");
  });
});
