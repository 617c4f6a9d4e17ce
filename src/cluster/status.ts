/** What each process of a cluster is doing, in one line each. */
import postgres from "postgres";
import { processState } from "../embedded/processes.ts";
import type { ServerProcess } from "../embedded/serverProcess.ts";
import { inTime } from "../inTime.ts";
import type { Cluster } from "./cluster.ts";

export interface StatusLine {
  readonly name: string;
  readonly state: string;
  readonly pid: number | undefined;
  readonly detail: string;
}

/** What the database knows of who does what. */
interface Shared {
  /** Partitions by the pid of their owner. */
  readonly owned: ReadonlyMap<number, readonly number[]>;
  readonly sealedThrough: string;
  readonly behind: string;
}

const askMs = 1_000;

export class ClusterStatus {
  #sql: postgres.Sql | undefined;

  constructor(private readonly cluster: Cluster) {}

  async lines(): Promise<StatusLine[]> {
    const { nats, postgres: database, roles } = this.cluster;
    const shared = await this.#shared();
    const servers = [serverLine("postgres", database, database.url)];
    for (const [index, node] of nats.entries()) {
      servers.push(serverLine(`nats-${index + 1}`, node, node.url));
    }
    const ours = roles.map(({ name, state, pid, spec }) => {
      const { PORT = "", ADMIN_PORT = "" } = spec.env;
      const details = {
        ingest: `http://127.0.0.1:${PORT}/stats`,
        worker: shared && partitionsText(shared.owned.get(pid ?? 0)),
        projector: shared && `sealed through ${shared.sealedThrough}${shared.behind}`,
        admin: `http://127.0.0.1:${ADMIN_PORT}/admin`,
      };
      return { name, state, pid, detail: details[spec.role] ?? "the database does not answer" };
    });
    return [...servers, ...ours];
  }

  async close(): Promise<void> {
    await this.#sql?.end({ timeout: 1 });
  }

  /** Undefined while the database does not answer. */
  async #shared(): Promise<Shared | undefined> {
    this.#sql ??= postgres(this.cluster.databaseUrl, { max: 1, connect_timeout: 1 });
    const sql = this.#sql;
    try {
      return await inTime(ask(sql), askMs);
    } catch {
      // A connection that hangs is not asked again.
      this.#sql = undefined;
      sql.end({ timeout: 0 }).catch(() => {});
      return undefined;
    }
  }
}

async function ask(sql: postgres.Sql): Promise<Shared> {
  const owners = await sql<{ pid: number; partitions: number[] }[]>`
    select w.pid, array_agg(p.partition order by p.partition) as partitions
    from partitions p join workers w on w.id = p.owner and w.lease_until > clock_timestamp()
    group by w.pid
  `;
  const [row] = await sql<{ sealed: Date | null; behind: number }[]>`
    select min(sealed) as sealed, max(behind) as behind
    from (
      select min(o.sealed_through) as sealed, sum(p.position - o.position)::int as behind
      from projection_positions o join partitions p using (partition)
      where o.build = 'live'
      group by o.projection
    ) as projections
  `;
  return {
    owned: new Map(owners.map(({ pid, partitions }) => [pid, partitions])),
    sealedThrough: row?.sealed?.toISOString() ?? "nothing yet",
    behind: (row?.behind ?? 0) > 0 ? `, ${row?.behind} events behind` : "",
  };
}

function serverLine(name: string, server: ServerProcess, url: string): StatusLine {
  const { pid } = server;
  const state = pid === undefined ? "down" : processState(pid) === "T" ? "paused" : "running";
  return { name, state, pid, detail: url };
}

function partitionsText(partitions: readonly number[] | undefined): string {
  if (partitions === undefined) return "owns no partition";
  return `owns ${partitions.length}: ${partitions.join(" ")}`;
}
