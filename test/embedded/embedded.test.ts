import { afterEach, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { getPriority } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import postgres from "postgres";
import { systemClock } from "../../src/actors/clock.ts";
import { type Embedded, type EmbeddedOptions, startEmbedded } from "../../src/embedded/embedded.ts";
import { EmbeddedError } from "../../src/embedded/embeddedError.ts";
import { restartWhenHung } from "../../src/embedded/hungServer.ts";
import { prepareNats } from "../../src/embedded/natsServer.ts";
import { loopback } from "../../src/embedded/ports.ts";
import { postgresNiceness, preparePostgres } from "../../src/embedded/postgres.ts";
import { commandLine, isAlive, processState, readIfThere } from "../../src/embedded/processes.ts";
import { createLog, silentLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connection.ts";
import { outgoingConnection } from "../support/outgoingConnection.ts";
import {
  dataDirectory,
  freePort,
  temporaryDirectory,
  testBinDir,
  testLog,
} from "../support/servers.ts";
import { until } from "../support/until.ts";

const timeout = 60_000;
const running: Embedded[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((embedded) => embedded.stop()));
});

/** Starts servers that the end of the test stops. */
async function start(options: Partial<EmbeddedOptions> & { dataDir: string }): Promise<Embedded> {
  const embedded = await startEmbedded({ binDir: testBinDir, log: silentLog, ...options });
  running.push(embedded);
  return embedded;
}

async function count(url: string | undefined): Promise<number> {
  const sql = postgres(url ?? "", { max: 1, connect_timeout: 2, onnotice: () => {} });
  try {
    const [row] = await sql`SELECT count(*)::int AS count FROM kept`;
    return Number(row?.count);
  } finally {
    await sql.end();
  }
}

async function execute(url: string | undefined, statement: string): Promise<void> {
  const sql = postgres(url ?? "", { max: 1 });
  await sql.unsafe(statement);
  await sql.end();
}

/** Stores a message in a stream, or counts those stored. */
async function stored(url: string | undefined, add: boolean): Promise<number> {
  const connection = await connect({ servers: url ?? "", timeout: 2_000 });
  try {
    const manager = await connection.jetstreamManager();
    if (add) await manager.streams.add({ name: "KEPT", subjects: ["kept"] });
    if (add) await connection.jetstream().publish("kept", "payload");
    return (await manager.streams.info("KEPT")).state.messages;
  } finally {
    await connection.close();
  }
}

/** Policy and nice value of each thread of a process, by their numbers in Linux. */
function priorities(pid: number | undefined): Set<string> {
  return new Set(
    readdirSync(`/proc/${pid}/task`).map((task) => {
      // Fields of proc_pid_stat(5); the third follows the name, which may hold anything.
      const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8");
      const fields = stat.split(") ").at(-1)?.split(" ") ?? [];
      return `policy ${fields[41 - 3]}, nice ${fields[19 - 3]}`;
    }),
  );
}

/** Undefined where the kernel does not group sessions. */
function sessionNiceness(pid: number | undefined): number | undefined {
  const text = readIfThere(`/proc/${pid}/autogroup`);
  return text === undefined ? undefined : Number(text.split("nice ")[1]);
}

describe("embedded servers", () => {
  test(
    "keep their data from one start to the next",
    async () => {
      const dataDir = temporaryDirectory();
      const both = { postgres: { port: await freePort() }, nats: { port: await freePort() } };
      const first = await start({ dataDir, ...both });
      await execute(first.postgres?.url, "CREATE TABLE kept AS SELECT 1 AS one");
      expect(await stored(first.nats?.url, true)).toBe(1);
      const pids = [first.postgres?.pid ?? 0, first.nats?.pid ?? 0];
      await Promise.all([first.stop(), first.stop()]);
      expect(pids.filter(isAlive)).toEqual([]);

      const second = await start({ dataDir, ...both });
      expect(await count(second.postgres?.url)).toBe(1);
      expect(await stored(second.nats?.url, false)).toBe(1);
    },
    timeout,
  );

  test(
    "are restarted when they crash, with their data and their priority",
    async () => {
      const embedded = await start({
        dataDir: await dataDirectory(),
        postgres: { port: await freePort() },
        nats: { port: await freePort() },
      });
      await execute(embedded.postgres?.url, "CREATE TABLE kept AS SELECT 1 AS one");
      await stored(embedded.nats?.url, true);
      const servers = [embedded.postgres, embedded.nats];
      const pids = servers.map((server) => server?.pid);
      await Promise.all(servers.map((server) => server?.kill("SIGKILL")));

      await until(() => servers.every((server) => server?.isUp), { what: "the servers run again" });
      const restarted = servers.map((server) => server?.pid);
      for (const [i, pid] of restarted.entries()) expect(pid).not.toBe(pids[i]);
      expect(await count(embedded.postgres?.url)).toBe(1);
      expect(await stored(embedded.nats?.url, false)).toBe(1);
      expect(servers.map((server) => server?.pid)).toEqual(restarted);

      if (process.platform !== "linux") return;
      const can = Bun.which("chrt") !== null && Bun.spawnSync(["chrt", "-b", "0", "true"]).success;
      const expected = (more: number) =>
        new Set([`policy ${can ? 3 : 0}, nice ${Math.min(getPriority() + more, 19)}`]);
      expect(priorities(embedded.nats?.pid)).toEqual(expected(0));
      expect(priorities(embedded.postgres?.pid)).toEqual(expected(postgresNiceness));
      if (sessionNiceness(process.pid) === undefined) return;
      const sql = postgres(embedded.postgres?.url ?? "", { max: 1 });
      const [backend] = await sql`SELECT pg_backend_pid() AS pid`;
      await until(() => sessionNiceness(backend?.pid) === postgresNiceness, {
        what: "the session of a backend gives way",
      });
      await sql.end();
      expect(sessionNiceness(embedded.nats?.pid)).toBe(0);
    },
    timeout,
  );

  test(
    "of a dead process are ended first",
    async () => {
      const dataDir = await dataDirectory();
      const [pgPort, natsPort] = [await freePort(), await freePort()];
      const specs = [
        await preparePostgres(dataDir, pgPort),
        await prepareNats(dataDir, testBinDir, natsPort, silentLog),
      ];
      const orphans = specs.map((spec) => {
        const stdio = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
        return Bun.spawn([...spec.command], { ...stdio, cwd: "/", detached: true });
      });
      for (const [index, spec] of specs.entries()) {
        await until(() => spec.ready(orphans[index]?.pid ?? 0), { what: `${spec.name} runs` });
      }

      await start({ dataDir, postgres: { port: pgPort }, nats: { port: natsPort } });
      for (const orphan of orphans) expect(isAlive(orphan.pid)).toBe(false);
    },
    timeout,
  );

  test(
    "spare the program that now has the pid of a dead Postgres",
    async () => {
      const dataDir = await dataDirectory();
      const port = await freePort();
      const other = Bun.spawn(["sleep", "600"]);
      await writeFile(join(dataDir, "postgres", "postmaster.pid"), `${other.pid}\n`);
      await start({ dataDir, postgres: { port } });
      expect(isAlive(other.pid)).toBe(true);
      other.kill();
    },
    timeout,
  );

  test(
    "start though a dead Postgres is a zombie",
    async () => {
      if (process.platform !== "linux") return;
      const dataDir = await dataDirectory();
      const port = await freePort();
      // It takes the place of the shell that has a child, and never asks for that child's end.
      const script = "sleep 60 & echo $!; exec sleep 60";
      const parent = Bun.spawn(["sh", "-c", script], { stdout: "pipe", stderr: "ignore" });
      const { value } = await parent.stdout.getReader().read();
      const zombie = Number(new TextDecoder().decode(value));
      await until(() => commandLine(parent.pid) === "sleep 60", { what: "the shell is gone" });
      process.kill(zombie, "SIGKILL");
      await until(() => processState(zombie) === "Z", { what: "there is a zombie" });
      await writeFile(join(dataDir, "postgres", "postmaster.pid"), `${zombie}\n`);
      const { postgres: server } = await start({ dataDir, postgres: { port } });
      expect(server?.isUp).toBe(true);
      parent.kill();
    },
    timeout,
  );
});

test(
  "a nats-server that hangs is started again, and one that answers is left alone",
  async () => {
    const dataDir = temporaryDirectory();
    const { nats } = await start({ dataDir, nats: { port: await freePort() } });
    if (nats === undefined) throw new Error("there is no nats-server");
    const link = await connectNats({ url: nats.url, name: "test", log: silentLog });
    let asked = 0;
    let hangs = false;
    const answers = async () => {
      asked++;
      return hangs ? false : await link.answers();
    };
    const options = { directory: dataDir, clock: systemClock, log: silentLog, everyMs: 100 };
    const stop = restartWhenHung(nats, answers, options);
    const { pid } = nats;
    await until(() => asked > 20, { what: "it has been asked often" });
    expect(nats.pid).toBe(pid);
    hangs = true;
    await until(() => nats.pid !== undefined && nats.pid !== pid, {
      what: "another one runs",
      timeoutMs: 40_000,
    });
    hangs = false;
    await until(async () => (await link.answers()) === true, { what: "it answers" });
    await stop();
    await link.close();
  },
  timeout,
);

describe("a start is refused", () => {
  test("on a data directory in use, with the pid of its user", async () => {
    const dataDir = temporaryDirectory();
    await start({ dataDir, nats: { port: await freePort() } });
    const second = start({ dataDir, nats: { port: await freePort() } });
    await expect(second).rejects.toThrow(EmbeddedError);
    await expect(second).rejects.toThrow(`${dataDir} is in use by the process with pid`);
    await expect(second).rejects.toThrow(String(process.pid));
  });

  test("on a taken port, with the port and the setting", async () => {
    const listener = createServer();
    const listening = Promise.withResolvers<void>();
    const port = await freePort();
    listener.listen(port, loopback, () => listening.resolve());
    await listening.promise;
    const dataDir = temporaryDirectory();
    await expect(start({ dataDir, postgres: { port } })).rejects.toThrow(
      `port ${port} for the embedded Postgres is taken by another program: set EMBEDDED_PG_PORT`,
    );
    await expect(start({ dataDir, nats: { port } })).rejects.toThrow(
      `port ${port} for the embedded nats-server is taken by another program: ` +
        "set EMBEDDED_NATS_PORT",
    );
    listener.close();
  });

  test("as soon as one port is taken, though the other one may become free", async () => {
    const listener = createServer();
    const taken = await freePort();
    listener.listen(taken, loopback);
    await once(listener, "listening");
    const held = await outgoingConnection();
    const lines: string[] = [];
    const log = createLog("warn", (line) => void lines.push(line), Date.now);
    const servers = { postgres: { port: held.port }, nats: { port: taken } };
    await expect(start({ dataDir: temporaryDirectory(), ...servers, log })).rejects.toThrow(
      `port ${taken} for the embedded nats-server is taken by another program`,
    );
    expect(lines.join()).toContain(`port ${held.port} for the embedded Postgres is held`);
    listener.close();
    await held.close();
  });

  test("in a data directory that cannot be written", async () => {
    const file = join(temporaryDirectory(), "file");
    await writeFile(file, "");
    const dataDir = join(file, "data");
    const starting = start({ dataDir, nats: { port: await freePort() } });
    await expect(starting).rejects.toThrow(
      `DATA_DIR ${dataDir} cannot be written: a part of the path is not a directory`,
    );
    const taken = temporaryDirectory();
    const log = join(taken, "log");
    await writeFile(log, "");
    await expect(start({ dataDir: taken, nats: { port: await freePort() } })).rejects.toThrow(
      `DATA_DIR ${taken} cannot be written: ${log} is not a directory`,
    );
  });

  test("with the last words of a server that does not start", async () => {
    const dataDir = await dataDirectory();
    const port = await freePort();
    await writeFile(join(dataDir, "postgres", "postgresql.auto.conf"), "no_such_setting = 1\n");
    await expect(start({ dataDir, postgres: { port }, log: testLog })).rejects.toThrow(
      /the embedded Postgres did not start:[\s\S]*no_such_setting/,
    );
  });
});

test("no server is started when none is asked for", async () => {
  const embedded = await start({ dataDir: "/nowhere/at/all" });
  expect(embedded.postgres).toBeUndefined();
  expect(embedded.nats).toBeUndefined();
});
