/** One of the nats-servers of a JetStream cluster on the loopback interface. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { embeddedNatsUrl } from "../embedded/addresses.ts";
import type { NatsBinary } from "../embedded/natsBinary.ts";
import { configFile, endOrphanNats, jetStreamBlock, pidFile } from "../embedded/natsServer.ts";
import { loopback } from "../embedded/ports.ts";
import { readIfThere } from "../embedded/processes.ts";
import type { ServerSpec } from "../embedded/serverProcess.ts";
import type { Log } from "../log.ts";

export interface NatsNodePorts {
  readonly client: number;
  readonly route: number;
  readonly monitor: number;
}

const askMs = 1_000;

/**
 * Writes the configuration of node `index` of those with `ports`, and says how to run it. A node
 * on this data whose parent died without ending it is ended first.
 */
export async function prepareNatsNode(
  dataDir: string,
  binary: NatsBinary,
  index: number,
  ports: readonly NatsNodePorts[],
  log: Log,
): Promise<ServerSpec> {
  const own = ports[index];
  if (own === undefined) throw new Error(`there is no nats-server ${index}`);
  const name = `nats-${index + 1}`;
  const directory = join(dataDir, name);
  await endOrphanNats(directory, log);
  await mkdir(directory, { recursive: true });
  const jetStream = await jetStreamBlock(directory, binary);
  await writeFile(configFile(directory), configuration(name, directory, jetStream, own, ports));
  return {
    name,
    url: embeddedNatsUrl(own.client),
    command: [binary.path, "--config", configFile(directory)],
    logFile: join(dataDir, "log", `${name}.log`),
    stopSignal: "SIGTERM",
    watchSignal: "TERM",
    ready: async (pid) =>
      readIfThere(pidFile(directory))?.trim() === String(pid) &&
      (await isHealthy(own.monitor, "?js-server-only=true")),
  };
}

/**
 * True when the node says that it is up and that all its streams are as new as their leaders.
 * @param scope the query of `/healthz`.
 */
export async function isHealthy(monitorPort: number, scope = ""): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(askMs);
    const response = await fetch(`http://${loopback}:${monitorPort}/healthz${scope}`, { signal });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

function configuration(
  name: string,
  directory: string,
  jetStream: string,
  own: NatsNodePorts,
  all: readonly NatsNodePorts[],
): string {
  const routes = all.map(({ route }) => `    nats-route://${loopback}:${route}`).join("\n");
  return `# Written at each start; changes here are lost.
server_name: ${name}
host: ${loopback}
port: ${own.client}
http: "${loopback}:${own.monitor}"
pid_file: ${JSON.stringify(pidFile(directory))}
${jetStream}cluster {
  name: payload-stats
  host: ${loopback}
  port: ${own.route}
  routes: [
${routes}
  ]
}
`;
}
