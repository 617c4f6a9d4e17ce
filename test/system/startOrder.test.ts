/**
 * Starts: the order of their parts, and that one that is refused or given up leaves nothing behind.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { connect } from "nats";
import postgres from "postgres";
import { readConfig } from "../../src/config.ts";
import { startSystem } from "../../src/system.ts";
import { outgoingConnection } from "../support/outgoingConnection.ts";
import {
  freePort,
  freshDatabase,
  freshNatsServer,
  type NatsServer,
  temporaryDirectory,
  testLog,
} from "../support/servers.ts";
import { until } from "../support/until.ts";

const mainScript = join(import.meta.dir, "../../src/main.ts");
let broker: NatsServer;
beforeAll(async () => {
  broker = await freshNatsServer();
}, 60_000);
afterAll(() => broker.stop());

const children: Bun.Subprocess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** Starts a whole process, which the end of the test ends. It need not become ready. */
function spawnMain(env: Readonly<Record<string, string>>) {
  const child = Bun.spawn([process.execPath, mainScript], {
    env: { ...process.env, NATS_URL: broker.url, ...env },
    stderr: "pipe",
  });
  children.push(child);
  return child;
}

test("all that is wrong with the settings is told at once, as lines of the log", async () => {
  const child = spawnMain({ PORT: "x", WINDOW: "7m", ROLES: "cook" });
  expect(await child.exited).toBe(2);
  const lines = (await new Response(child.stderr).text()).trim().split("\n");
  const messages = lines.map((line) => String(JSON.parse(line).message));
  expect(messages.map((message) => message.match(/^bad configuration: (\w+):/)?.[1])).toEqual([
    "PORT",
    "ROLES",
    "WINDOW",
  ]);
});

async function streams(): Promise<string[]> {
  const connection = await connect({ servers: broker.url });
  const names: string[] = [];
  for await (const name of (await connection.jetstreamManager()).streams.names()) names.push(name);
  await connection.close();
  return names.sort();
}

/** What the database refuses must not have changed anything at the broker. */
test("a refused start makes no stream; the right one makes its own", async () => {
  const databaseUrl = await freshDatabase();
  const start = (partitions: string) =>
    startSystem(
      readConfig({
        ...{ DATABASE_URL: databaseUrl, NATS_URL: broker.url, PARTITIONS: partitions },
        ...{ ROLES: "admin", ADMIN_PORT: "0", PORT: "0" },
      }),
      testLog,
      () => {},
    );
  const first = await start("2");
  await first.stop();
  expect(await streams()).toEqual(["PAYLOADS_0000", "PAYLOADS_0001"]);
  await expect(start("4")).rejects.toThrow(/PARTITIONS is 4, but .* PARTITIONS=2/);
  expect(await streams()).toEqual(["PAYLOADS_0000", "PAYLOADS_0001"]);
}, 60_000);

test("who finds the admin listener ready can reach the public one", async () => {
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const child = spawnMain({
    ...{ DATABASE_URL: await freshDatabase(), PARTITIONS: "2" },
    ...{ PORT: String(port), ADMIN_PORT: String(adminPort) },
  });
  const ready = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok;
  await until(ready, { what: "it is ready", timeoutMs: 30_000, intervalMs: 1 });
  const answer = await fetch(`http://127.0.0.1:${port}/stats`);
  expect(answer.status).toBe(200);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
}, 60_000);

test.each(["DATABASE_URL", "NATS_URL"])(
  "a signal ends a start that waits for the server of %s, with code 0 and no settings fixed",
  async (name) => {
    const scheme = name === "NATS_URL" ? "nats" : "postgres";
    // Whoever connects is sent away.
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (socket) => {
          socket.end();
          child.kill("SIGTERM");
        },
        data: () => {},
      },
    });
    const databaseUrl = await freshDatabase();
    const child = spawnMain({
      ...{ DATABASE_URL: databaseUrl, PORT: "0", ADMIN_PORT: "0" },
      [name]: `${scheme}://127.0.0.1:${server.port}`,
    });
    const told = await child.stderr.text();
    expect(await child.exited).toBe(0);
    expect(told).toContain("the start was given up");
    expect(told).not.toContain("cannot start");
    server.stop(true);
    const sql = postgres(databaseUrl, { max: 1 });
    const [row] = await sql`select to_regclass('public.settings') as settings`;
    expect(row).toEqual({ settings: null });
    await sql.end();
  },
  60_000,
);

test("a log that cannot be written is no reason to end", async () => {
  const [port, adminPort] = await Promise.all([freePort(), freePort()]);
  const child = Bun.spawn(
    ["sh", "-c", `exec "${process.execPath}" "${mainScript}" >/dev/full 2>&1`],
    {
      env: {
        ...{ ...process.env, NATS_URL: broker.url, DATABASE_URL: await freshDatabase() },
        ...{ PARTITIONS: "2", HTTP_THREADS: "2", LOG_LEVEL: "debug" },
        ...{ PORT: String(port), ADMIN_PORT: String(adminPort) },
      },
    },
  );
  children.push(child);
  const ready = async () => (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok;
  await until(ready, { what: "it is ready", timeoutMs: 30_000 });
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
}, 60_000);

test("a signal ends a start that waits for a port, with code 0", async () => {
  const held = await outgoingConnection();
  const child = spawnMain({
    ...{ DATA_DIR: temporaryDirectory(), EMBEDDED_PG_PORT: String(held.port) },
    ...{ PORT: "0", ADMIN_PORT: "0" },
  });
  let told = "";
  for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) {
    told += chunk;
    if (told.includes("waiting for a connection")) child.kill("SIGTERM");
  }
  expect(await child.exited).toBe(0);
  expect(told).toContain("the start was given up");
  expect(told).not.toContain("cannot start");
  await held.close();
}, 60_000);
