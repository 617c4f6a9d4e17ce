import { expect, test } from "bun:test";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryDirectory } from "../support/servers.ts";

/** What the error says in a process of its own, whose PATH is this directory alone. */
async function errorWith(programs: string): Promise<string> {
  const modulePath = join(import.meta.dir, "../../src/embedded/natsBinary.ts");
  const logPath = join(import.meta.dir, "../../src/log.ts");
  const script = `
    const { findNatsServer } = await import(${JSON.stringify(modulePath)});
    const { silentLog } = await import(${JSON.stringify(logPath)});
    const failed = (error) => console.log(error.message);
    await findNatsServer(${JSON.stringify(temporaryDirectory())}, silentLog).catch(failed);
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { env: { PATH: programs } });
  return await child.stdout.text();
}

test("without any nats-server the error names the three ways out", async () => {
  expect(await errorWith(temporaryDirectory())).toBe(
    "no nats-server was found (no apt-get to get Debian's package with): install nats-server " +
      "so that it is on PATH, or run `docker compose up nats`, or set NATS_URL to a server of " +
      "your own\n",
  );
});

test("a download that fails without a word is told by its exit code", async () => {
  const programs = temporaryDirectory();
  for (const name of ["apt-get", "dpkg-deb"]) {
    const path = join(programs, name);
    await writeFile(path, "#!/bin/sh\nexit 100\n");
    await chmod(path, 0o755);
  }
  expect(await errorWith(programs)).toStartWith(
    "no nats-server was found (apt-get: exit code 100): ",
  );
});
