import { expect, test } from "bun:test";
import { join } from "node:path";
import { prepareNatsNode } from "../../src/cluster/natsNode.ts";
import { findNatsServer } from "../../src/embedded/natsBinary.ts";
import { isAlive, readIfThere } from "../../src/embedded/processes.ts";
import { silentLog } from "../../src/log.ts";
import { freePort, temporaryDirectory, testBinDir } from "../support/servers.ts";
import { until } from "../support/until.ts";

test("a node of a dead cluster is ended before its data is used again", async () => {
  const dataDir = temporaryDirectory();
  const binary = await findNatsServer(testBinDir, silentLog);
  const prepare = async () => {
    const [client, route, monitor] = [await freePort(), await freePort(), await freePort()];
    return await prepareNatsNode(dataDir, binary, 0, [{ client, route, monitor }], silentLog);
  };
  const { command } = await prepare();
  const stdio = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  const orphan = Bun.spawn([...command], { ...stdio, cwd: "/", detached: true });
  const pidFile = join(dataDir, "nats-1", "nats-server.pid");
  try {
    await until(() => readIfThere(pidFile)?.trim() === String(orphan.pid), { what: "it runs" });
    await prepare();
    expect(isAlive(orphan.pid)).toBe(false);
  } finally {
    orphan.kill("SIGKILL");
  }
});
