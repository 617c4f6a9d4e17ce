import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { ServerProcess, type ServerSpec } from "../../src/embedded/serverProcess.ts";
import { Watcher } from "../../src/embedded/watcher.ts";
import { createLog } from "../../src/log.ts";
import { temporaryDirectory } from "../support/servers.ts";
import { until } from "../support/until.ts";

const silent = createLog("error", () => {}, Date.now);
const watcher = new Watcher(silent);
afterAll(() => watcher.close());

async function startServer(name: string): Promise<ServerProcess> {
  const spec: ServerSpec = {
    name,
    url: "",
    port: 0,
    command: ["sleep", "600"],
    logFile: join(temporaryDirectory(), "log"),
    stopSignal: "SIGTERM",
    watchSignal: "TERM",
    ready: async () => true,
  };
  const server = new ServerProcess(spec, watcher, silent);
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
