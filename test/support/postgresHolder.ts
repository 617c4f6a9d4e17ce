/**
 * A process of its own that holds the Postgres which all tests of another process share, and ends
 * when that one has ended: no hook of the runner tells a process that it has run its last file.
 * Says the URL on standard output.
 */
import { rmSync } from "node:fs";
import postgres from "postgres";
import { startEmbedded } from "../../src/embedded/embedded.ts";
import { findFreePort } from "../../src/embedded/ports.ts";
import { temporaryDirectory, testLog } from "./servers.ts";

// What interrupts the tests reaches us too, but their end is what we wait for.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});

const dataDir = temporaryDirectory();
const port = await findFreePort();
try {
  const embedded = await startEmbedded({ dataDir, postgres: { port }, log: testLog });
  const url = embedded.databaseUrl ?? "";
  await forgetTheDisk(url);
  process.stdout.write(`${url}\n`);
  // The pipe from the other process is closed when that one is gone.
  await Bun.stdin.text();
  await embedded.stop();
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}

/** Its data does not outlive the tests, and none of them cuts the power. */
async function forgetTheDisk(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  await sql`alter system set fsync = off`;
  await sql`alter system set full_page_writes = off`;
  await sql`select pg_reload_conf()`;
  await sql.end();
}
