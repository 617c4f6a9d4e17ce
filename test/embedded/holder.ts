/**
 * A process of its own that holds embedded servers, for tests that kill it.
 * Arguments: data directory, port of Postgres, port of nats-server. Says on standard output, one
 * JSON object a line, what it runs and which signals reached it.
 */
import { startEmbedded } from "../../src/embedded/embedded.ts";
import { errorMessage } from "../../src/log.ts";
import { testBinDir, testLog } from "../support/servers.ts";

const [dataDir = "", pgPort, natsPort] = process.argv.slice(2);
const say = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);

process.on("SIGINT", () => say({ signal: "SIGINT" }));
// The servers must outlive our signals, not our death: nothing else ends this process.
setInterval(() => {}, 60_000);

try {
  const { postgres, nats } = await startEmbedded({
    dataDir,
    postgres: { port: Number(pgPort) },
    nats: { port: Number(natsPort) },
    binDir: testBinDir,
    log: testLog,
  });
  // Nothing here refers to the servers any more: that must not be taken for their end.
  Bun.gc(true);
  say({ uid: process.getuid?.(), postgres: postgres?.pid, nats: nats?.pid });
} catch (error) {
  say({ error: errorMessage(error) });
  process.exit(1);
}
