/**
 * A process of its own that holds the Postgres which all tests of another process share, and ends
 * when that one has ended: no hook of the runner tells a process that it has run its last file.
 * Says on standard output, as JSON, the URL and where a copy of the cluster is that was never used,
 * or why there is none.
 *
 *   bun postgresHolder.ts PORT
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { startEmbedded } from "../../src/embedded/embedded.ts";
import { preparePostgres } from "../../src/embedded/postgres.ts";
import { errorMessage } from "../../src/log.ts";
import { copyCluster, temporaryDirectory, testLog } from "./servers.ts";

// What interrupts the tests reaches us too, but their end is what we wait for.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});

const port = Number(process.argv[2]);
const dataDir = temporaryDirectory();
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

try {
  await preparePostgres(dataDir, port);
  const cluster = join(dataDir, "cluster");
  copyCluster(join(dataDir, "postgres"), cluster);
  await using stops = new AsyncDisposableStack();
  const embedded = await startEmbedded({ dataDir, postgres: { port }, log: testLog });
  stops.defer(embedded.stop);
  const url = embedded.postgres?.url ?? "";
  await forgetTheDisk(url);
  say({ url, cluster });
  // The pipe from the other process is closed when that one is gone.
  await Bun.stdin.text();
} catch (error) {
  say({ error: errorMessage(error) });
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}

/** Its data does not outlive the tests, and none of them cuts the power. */
async function forgetTheDisk(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    await sql`alter system set fsync = off`;
    await sql`alter system set full_page_writes = off`;
    await sql`select pg_reload_conf()`;
  } finally {
    await sql.end();
  }
}
