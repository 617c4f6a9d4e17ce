import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { ServerProcess, type ServerSpec } from "../../src/embedded/serverProcess.ts";
import { Watcher } from "../../src/embedded/watcher.ts";
import { silentLog } from "../../src/log.ts";
import { temporaryDirectory } from "../support/servers.ts";
import { until } from "../support/until.ts";

const watcher = new Watcher(silentLog);
afterAll(() => watcher.close());

async function startServer(
  name: string,
  ready: ServerSpec["ready"] = async () => true,
): Promise<ServerProcess> {
  const spec: ServerSpec = {
    name,
    url: "",
    command: ["sleep", "600"],
    logFile: join(temporaryDirectory(), "log"),
    stopSignal: "SIGTERM",
    watchSignal: "TERM",
    ready,
  };
  const server = new ServerProcess(spec, watcher, silentLog);
  await server.start();
  return server;
}

for (const how of ["started", "stopped and started"] as const) {
  test(`a server that ended and is ${how} by hand is not restarted as well`, async () => {
    const [server, other] = [await startServer("server"), await startServer("other")];
    await server.kill("SIGKILL");
    if (how === "stopped and started") await server.stop();
    await server.start(false);
    const { pid } = server;
    // The other one ends later and waits as long for its restart, which so comes after ours.
    await other.kill("SIGKILL");
    await until(() => other.isUp, { what: "the other one is restarted" });
    expect(server.pid).toBe(pid);
    expect(server.isUp).toBe(false);
    await Promise.all([server.stop(), other.stop()]);
  });
}

test("a server that ended and is stopped is not restarted", async () => {
  const [server, other] = [await startServer("server"), await startServer("other")];
  await server.kill("SIGKILL");
  await server.stop();
  // The other one ends later and waits as long for its restart.
  await other.kill("SIGKILL");
  await until(() => other.isUp, { what: "the other one is restarted" });
  expect(server.pid).toBeUndefined();
  await other.stop();
});

test("a restart that a stop and a start have overtaken plans no other", async () => {
  let isReady = true;
  let restarted: number | undefined;
  const server = await startServer("server", async (pid) => isReady && pid !== restarted);
  const first = server.pid;
  isReady = false;
  await server.kill("SIGKILL");
  await until(() => server.pid !== undefined && server.pid !== first, { what: "it is restarted" });
  restarted = server.pid;
  await server.stop();
  isReady = true;
  await server.start(false);
  const { pid } = server;
  const other = await startServer("other");
  for (let restarts = 0; restarts < 2; restarts++) {
    await other.kill("SIGKILL");
    await until(() => other.isUp, { what: "the other one is restarted" });
  }
  expect(server.pid).toBe(pid);
  await Promise.all([server.stop(), other.stop()]);
});
