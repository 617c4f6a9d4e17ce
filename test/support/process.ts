/** Whole processes of Payload Stats, started as a user would, on ports and data of their own. */
import { join } from "node:path";
import { isAlive, readIfThere } from "../../src/embedded/processes.ts";
import { dataDirectory, freePort, testBinDir } from "./servers.ts";
import { until } from "./until.ts";

const root = join(import.meta.dir, "..", "..");
const main = join(root, "src", "main.ts");

export interface TestProcess {
  readonly url: string;
  readonly adminUrl: string;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  readonly pid: number;
  /** Kills the whole process group with SIGKILL and resolves when the process is gone. */
  killGroup(): Promise<void>;
  /** Sends SIGTERM and resolves with the exit code. */
  stop(): Promise<number>;
  readonly stderr: () => string;
}

/** What a data directory and its ports are used for again and again. */
export interface TestSite {
  readonly dataDir: string;
  /** Starts a process on this site and waits until it is ready to serve. */
  start(env?: Readonly<Record<string, string>>, command?: readonly string[]): Promise<TestProcess>;
  /** Ends whatever still runs. */
  clear(): Promise<void>;
}

/**
 * A data directory with free ports. `env` holds for all processes started on it.
 * @param given the directory; a new one with a new Postgres cluster in it unless given.
 */
export async function testSite(
  env: Readonly<Record<string, string>>,
  given?: string,
): Promise<TestSite> {
  const dataDir = given ?? (await dataDirectory());
  const [port, adminPort, pgPort, natsPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
    freePort(),
  ]);
  const running = new Set<TestProcess>();
  // A nats-server that had to be downloaded once serves all tests.
  const path = `${testBinDir}:${process.env.PATH ?? ""}`;
  return {
    dataDir,
    async start(more = {}, command = [process.execPath, main]) {
      const child = Bun.spawn([...command], {
        cwd: root,
        env: {
          ...process.env,
          PATH: path,
          DATA_DIR: dataDir,
          PORT: String(port),
          ADMIN_PORT: String(adminPort),
          HOST: "127.0.0.1",
          EMBEDDED_PG_PORT: String(pgPort),
          EMBEDDED_NATS_PORT: String(natsPort),
          LOG_LEVEL: "warn",
          ...env,
          ...more,
        },
        detached: true,
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const output = collect(child.stdout);
      const errors = collect(child.stderr);
      const started: TestProcess = {
        url: `http://127.0.0.1:${port}`,
        adminUrl: `http://127.0.0.1:${adminPort}`,
        databaseUrl: `postgres://postgres@127.0.0.1:${pgPort}/payload_stats`,
        natsUrl: `nats://127.0.0.1:${natsPort}`,
        pid: child.pid,
        stderr: errors,
        async killGroup() {
          running.delete(started);
          try {
            process.kill(-child.pid, "SIGKILL");
          } catch {
            // Nobody is left of the group.
          }
          await child.exited;
        },
        async stop() {
          running.delete(started);
          child.kill("SIGTERM");
          return child.exited;
        },
      };
      running.add(started);
      await until(
        () => {
          if (child.exitCode !== null) throw new Error(errors());
          return output().includes("payload-stats is ready");
        },
        { what: "the process to be ready", timeoutMs: 30_000 },
      );
      return started;
    },
    async clear() {
      const pids = ["nats/nats-server.pid", "postgres/postmaster.pid"].map((file) =>
        Number(readIfThere(join(dataDir, file))?.split("\n")[0]),
      );
      await Promise.all([...running].map((one) => one.killGroup()));
      // The embedded servers end a moment later, and write below the directory until then.
      await until(() => !pids.some((pid) => pid > 1 && isAlive(pid)), {
        what: "the servers of a site to end",
      });
    },
  };
}

/** What a stream has given so far. */
function collect(stream: ReadableStream<Uint8Array>): () => string {
  let text = "";
  const decoder = new TextDecoder();
  void (async () => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  })();
  return () => text;
}
