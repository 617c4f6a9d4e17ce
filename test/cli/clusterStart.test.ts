import { expect, test } from "bun:test";
import { join } from "node:path";
import { freePort, temporaryDirectory } from "../support/servers.ts";
import { until } from "../support/until.ts";

const script = join(import.meta.dir, "..", "..", "src", "cli", "cluster.ts");

test("Ctrl-C ends a cluster that is being started", async () => {
  const data = temporaryDirectory();
  const options = ["--data", data, "--port", String(await freePort())];
  const child = Bun.spawn([process.execPath, script, ...options], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const lock = Bun.file(join(data, "lock"));
  await until(() => lock.exists(), { what: "the cluster has its directory" });
  child.kill("SIGINT");
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(await child.exited).toBe(0);
  expect(stderr).toBe(`starting, data and logs in ${data}\n`);
  expect(stdout).toBe("");
}, 60_000);
