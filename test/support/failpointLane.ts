/** A database whose partitions are given to workers with failpoints, one after the other. */
import { hostname } from "node:os";
import { join } from "node:path";
import { prepareDatabase } from "../../src/store/prepare.ts";
import { TestStore } from "../store/support.ts";
import type { Script } from "./failpointScript.ts";
import { freshDatabase, temporaryDirectory } from "./servers.ts";
import { until } from "./until.ts";

const source = join(import.meta.dir, "..", "system", "failpointWorker.ts");
/** No process has this number. */
const deadPid = 2 ** 31 - 1;

interface Task {
  readonly partition: number;
  /** Everything up to this time, epoch ms, is to be sealed before the worker is stopped. */
  readonly throughMs: number;
  /** How many windows more it goes on, so that what recurs does. */
  readonly windowsMore: number;
  /** Where it is to die; empty: nowhere. */
  readonly dieAt: string;
  /** Where the worker before it died, for the message of a failure. */
  readonly after?: string;
}

interface Life {
  /** The failpoints that it passed while it worked, and from when it was told to stop. */
  readonly working: readonly string[];
  readonly stopping: readonly string[];
  readonly killed: boolean;
}

/** The worker's program in one file: it is started so often that to find its modules takes long. */
export async function buildWorker(): Promise<string> {
  const outdir = temporaryDirectory();
  const { outputs } = await Bun.build({ entrypoints: [source], target: "bun", outdir });
  const [program] = outputs;
  if (program === undefined) throw new Error("nothing was built");
  return program.path;
}

export class Lane {
  private constructor(
    readonly store: TestStore,
    private readonly program: string,
    private readonly natsUrl: string,
    private readonly script: Script,
  ) {}

  /** All partitions belong to a worker that is elsewhere, and is waited for. */
  static async open(program: string, natsUrl: string, script: Script): Promise<Lane> {
    const store = new TestStore(await freshDatabase());
    await prepareDatabase(store.database, script);
    await store.database.run(
      (sql) => sql`
        insert into workers (id, host, pid, started_at, lease_until)
        values ('elsewhere', 'elsewhere', 1, now(), 'infinity')
      `,
    );
    await store.database.run((sql) => sql`update partitions set owner = 'elsewhere'`);
    return new Lane(store, program, natsUrl, script);
  }

  /** Makes a partition one of a dead process on this host, for the next worker to take over. */
  async offer(partition: number): Promise<void> {
    await this.store.database.run(
      (sql) => sql`
        with dead as (
          insert into workers (id, host, pid, started_at, lease_until)
          values ('dead', ${hostname()}, ${deadPid}, now(), 'infinity')
        )
        update partitions set owner = 'dead' where partition = ${partition}
      `,
    );
  }

  /** Keeps the next worker away from a partition. */
  async withdraw(partition: number): Promise<void> {
    await this.store.database.run(
      (sql) => sql`
        update partitions set owner = 'elsewhere' where partition = ${partition}
      `,
    );
  }

  /**
   * Runs a worker until it dies, or has done its task and was told to stop.
   * @throws when it ends in any other way.
   */
  async live(task: Task): Promise<Life> {
    const { partitions, windowMs } = this.script;
    const settings = [this.store.url, this.natsUrl, String(partitions), String(windowMs)];
    const child = Bun.spawn([process.execPath, this.program, ...settings, task.dieAt], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    const output = Promise.all([child.stdout, child.stderr].map((one) => new Response(one).text()));
    try {
      const isOver = () => child.exitCode !== null || child.signalCode !== null;
      const { partition, throughMs, windowsMore, dieAt, after = "nothing" } = task;
      const who = `a worker to die at "${dieAt}", after one that died at "${after}", `;
      const reaches = (timeMs: number, what: string) =>
        until(async () => isOver() || (await this.#sealedThroughMs(partition)) >= timeMs, {
          what: `${who}${what}`,
          timeoutMs: 15_000,
        });
      await reaches(throughMs, "has sealed all windows");
      const moreMs = windowsMore * windowMs;
      if (moreMs > 0) await reaches(Date.now() + moreMs, "has sealed more windows");
      await child.stdin.end();
      const code = await child.exited;
      const [stdout = "", stderr = ""] = await output;
      const killed = child.signalCode === "SIGKILL";
      if (!killed && code !== 0) throw new Error(`${who}ended with ${code}: ${stderr}`);
      const [working = [], stopping = []] = stdout
        .split("stopping\n")
        .map((lines) => lines.split("\n").filter((line) => line !== ""));
      return { working, stopping, killed };
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  }

  async #sealedThroughMs(partition: number): Promise<number> {
    const [row] = await this.store.database.run(
      (sql) => sql<{ sealed: Date | null }[]>`
        select sealed_through as sealed from partitions where partition = ${partition}
      `,
    );
    return row?.sealed?.getTime() ?? 0;
  }
}
