import { expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryDirectory } from "../support/servers.ts";

test("without any nats-server the error names the three ways out", async () => {
  // In a process of its own, whose PATH has neither nats-server nor Debian's tools.
  const empty = temporaryDirectory();
  const modulePath = join(import.meta.dir, "../../src/embedded/natsBinary.ts");
  const logPath = join(import.meta.dir, "../../src/log.ts");
  const script = `
    const { findNatsServer } = await import(${JSON.stringify(modulePath)});
    const { silentLog } = await import(${JSON.stringify(logPath)});
    const failed = (error) => console.log(error.message);
    await findNatsServer(${JSON.stringify(empty)}, silentLog).catch(failed);
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { env: { PATH: empty } });
  expect(await child.stdout.text()).toBe(
    "no nats-server was found (no apt-get to get Debian's package with): install nats-server " +
      "so that it is on PATH, or run `docker compose up nats`, or set NATS_URL to a server of " +
      "your own\n",
  );
});
