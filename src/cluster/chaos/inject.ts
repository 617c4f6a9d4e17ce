/** Does to a cluster what a fault says, and mends it again. */
import postgres from "postgres";
import type { ServerProcess } from "../../embedded/serverProcess.ts";
import type { Cluster } from "../cluster.ts";
import type { RoleProcess } from "../roleProcess.ts";
import type { Fault } from "./faults.ts";

/** How often a backend is terminated in a storm. */
const stormEveryMs = 150;

/** What of a cluster is hit and looked at. */
export type Battlefield = Pick<
  Cluster,
  "databaseUrl" | "natsUrl" | "ingestUrls" | "roles" | "nats" | "postgres" | "natsRecovered"
>;

/** Does the fault; resolves when what it hit is whole again. Returns the name of what it hit. */
export async function inject(
  cluster: Battlefield,
  fault: Fault,
  struck: () => void,
): Promise<string> {
  if (fault.target === "postgres") return await hitPostgres(cluster, fault, struck);
  if (fault.target === "nats") return await hitNats(cluster, fault, struck);
  const role = pick(
    cluster.roles.filter(({ spec }) => spec.role === fault.target),
    fault,
  );
  await hitRole(role, fault, struck);
  return role.name;
}

async function hitRole(role: RoleProcess, fault: Fault, struck: () => void): Promise<void> {
  switch (fault.action) {
    case "pause":
    case "pause for long":
      role.pause();
      struck();
      await Bun.sleep(fault.durationMs);
      role.resume();
      return;
    case "restart":
      struck();
      await role.stop();
      return await role.start();
    default:
      struck();
      await role.kill();
      await Bun.sleep(fault.durationMs);
      await role.start();
  }
}

async function hitNats(cluster: Battlefield, fault: Fault, struck: () => void): Promise<string> {
  const node = pick(cluster.nats, fault);
  switch (fault.action) {
    case "pause":
    case "pause for long":
      await node.kill("SIGSTOP");
      struck();
      await Bun.sleep(fault.durationMs);
      await node.kill("SIGCONT");
      break;
    default:
      struck();
      await (fault.action === "restart" ? node.stop() : node.kill("SIGKILL"));
      await Bun.sleep(fault.durationMs);
      await node.start(false);
  }
  // One at a time: the next may only fail when this one is as new as the others.
  await cluster.natsRecovered();
  return `nats-${cluster.nats.indexOf(node) + 1}`;
}

async function hitPostgres(
  cluster: Battlefield,
  fault: Fault,
  struck: () => void,
): Promise<string> {
  struck();
  if (fault.action === "terminate backends") {
    return `${await terminateBackends(cluster.databaseUrl, fault.durationMs)} backends`;
  }
  const server: ServerProcess = cluster.postgres;
  await (fault.action === "restart" ? server.stop() : server.kill("SIGKILL"));
  await Bun.sleep(fault.durationMs);
  await server.start(false);
  return "postgres";
}

/** One backend of our processes every 150 ms. Returns how many there were. */
async function terminateBackends(databaseUrl: string, forMs: number): Promise<number> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  const end = performance.now() + forMs;
  let terminated = 0;
  try {
    while (performance.now() < end) {
      const gone = await sql`
        select pg_terminate_backend(pid) from (
          select pid from pg_stat_activity
          where application_name like 'payload-stats %' order by random() limit 1
        ) as one
      `;
      terminated += gone.length;
      await Bun.sleep(stormEveryMs);
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
  return terminated;
}

function pick<T>(items: readonly T[], fault: Fault): T {
  const item = items[Math.floor(fault.pick * items.length)];
  if (item === undefined) throw new Error(`there is no ${fault.target} to ${fault.action}`);
  return item;
}
