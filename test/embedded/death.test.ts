/** The embedded servers end with the process that started them, however that ends. */
import { afterEach, describe, expect, test } from "bun:test";
import { chownSync } from "node:fs";
import { startEmbedded } from "../../src/embedded/embedded.ts";
import { isAlive } from "../../src/embedded/processes.ts";
import { Watcher } from "../../src/embedded/watcher.ts";
import { silentLog } from "../../src/log.ts";
import { temporaryDirectory, testBinDir, testLog } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { type Holder, startHolder } from "./holders.ts";

const timeout = 60_000;
const holders: Holder[] = [];

afterEach(async () => {
  for (const holder of holders.splice(0)) {
    if (isAlive(holder.pid)) holder.kill("SIGKILL", "process");
    await holder.exited;
  }
});

async function hold(dataDir?: string, prefix?: readonly string[]): Promise<Holder> {
  const holder = await startHolder(dataDir, prefix);
  holders.push(holder);
  return holder;
}

async function serverPids(holder: Holder): Promise<number[]> {
  return [Number(await holder.hears("postgres")), Number(await holder.hears("nats"))];
}

describe("after kill -9", () => {
  for (const whom of ["process", "group"] as const) {
    test(
      `of their parent's ${whom} the servers are gone, and the data can be used again`,
      async () => {
        const holder = await hold();
        const pids = await serverPids(holder);
        expect(pids.filter(isAlive)).toEqual(pids);
        holder.kill("SIGKILL", whom);
        await until(() => !pids.some(isAlive), { what: "both servers are gone" });

        const { dataDir, pgPort, natsPort } = holder;
        const ports = { postgres: { port: pgPort }, nats: { port: natsPort } };
        const next = await startEmbedded({ dataDir, ...ports, binDir: testBinDir, log: testLog });
        await next.stop();
      },
      timeout,
    );
  }

  test(
    "a start that does not wait for the old servers to end succeeds",
    async () => {
      const holder = await hold();
      const pids = await serverPids(holder);
      holder.kill("SIGKILL", "group");
      await holder.exited;
      const { dataDir, pgPort, natsPort } = holder;
      const ports = { postgres: { port: pgPort }, nats: { port: natsPort } };
      const options = { dataDir, ...ports, binDir: testBinDir, log: silentLog };
      const next = await startEmbedded(options);
      expect(pids.some(isAlive)).toBe(false);
      await next.stop();
    },
    timeout,
  );
});

test(
  "Ctrl-C, which goes to the whole process group, leaves the servers to their parent",
  async () => {
    const holder = await hold();
    const pids = await serverPids(holder);
    holder.kill("SIGINT", "group");
    expect(await holder.hears("signal")).toBe("SIGINT");
    expect(pids.filter(isAlive)).toEqual(pids);
  },
  timeout,
);

test(
  "a second process on the same data directory is told who has it",
  async () => {
    const holder = await hold();
    await serverPids(holder);
    const second = await hold(holder.dataDir);
    expect(await second.hears("error")).toContain(`in use by the process with pid ${holder.pid}`);
  },
  timeout,
);

test(
  "the servers run for a plain user",
  async () => {
    const dataDir = temporaryDirectory();
    const asNobody: string[] = [];
    if (process.getuid?.() === 0) {
      const nobody = 65_534;
      chownSync(dataDir, nobody, nobody);
      // It may enter any directory, as the checkout may lie where only root can; that is all.
      asNobody.push("setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups");
      asNobody.push("--inh-caps=+dac_override", "--ambient-caps=+dac_override");
      asNobody.push("--securebits=+no_setuid_fixup", "--");
    }
    const holder = await hold(dataDir, asNobody);
    const pids = await serverPids(holder);
    expect(await holder.hears("uid")).not.toBe(0);
    expect(pids.filter(isAlive)).toEqual(pids);
    holder.kill("SIGKILL", "group");
    await until(() => !pids.some(isAlive), { what: "both servers are gone" });
  },
  timeout,
);

test("a watcher that dies is replaced, and its successor knows the servers", async () => {
  const watcher = new Watcher(silentLog);
  const server = Bun.spawn(["sleep", "600"]);
  watcher.set("sleep", { pid: server.pid, signal: "TERM" });
  const first = watcher.pid;
  process.kill(first, "SIGKILL");
  await until(() => watcher.pid !== first, { what: "there is another watcher" });
  await watcher.close();
  await server.exited;
  expect(server.signalCode).toBe("SIGTERM");
});
