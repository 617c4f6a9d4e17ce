/** The process that ends the embedded servers when this one dies: see watcher.sh. */
import { join } from "node:path";
import type { Log } from "../log.ts";

/** A server to be ended, and the signal that ends it at once and without loss. */
export interface Watched {
  readonly pid: number;
  readonly signal: "QUIT" | "TERM";
}

/**
 * A watcher that lived shorter ends at once, perhaps again and again: the next one waits so long.
 */
const briefMs = 100;

/** A watcher that the garbage collector took would see its input end, and end the servers. */
const open = new Set<Watcher>();

export class Watcher {
  private readonly servers = new Map<string, Watched>();
  private process = this.spawn();
  private closed = false;

  constructor(private readonly log: Log) {
    open.add(this);
  }

  /** The watcher's own pid. */
  get pid(): number {
    return this.process.pid;
  }

  /** From now on `name` is this process; undefined when it has ended. */
  set(name: string, server: Watched | undefined): void {
    if (server === undefined) this.servers.delete(name);
    else this.servers.set(name, server);
    this.tell();
  }

  /** Lets the watcher go; servers that are still set are ended by it. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    open.delete(this);
    await this.process.stdin.end();
    await this.process.exited;
  }

  private tell(): void {
    if (this.closed) return;
    const servers = [...this.servers.values()].map(({ signal, pid }) => `${signal}:${pid}`);
    const { stdin } = this.process;
    const write = async () => {
      stdin.write(`${servers.join(" ")}\n`);
      await stdin.flush();
    };
    // A watcher that has just died cannot be told; its successor is told everything again.
    write().catch(() => {});
  }

  private spawn() {
    const startedMs = performance.now();
    const watcher = Bun.spawn(["/bin/sh", join(import.meta.dir, "watcher.sh")], {
      cwd: "/",
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      detached: true,
      onExit: () => {
        if (performance.now() - startedMs > briefMs) this.respawn();
        else setTimeout(() => this.respawn(), briefMs).unref();
      },
    });
    // Neither the watcher nor the servers keep this process from ending.
    watcher.unref();
    return watcher;
  }

  private respawn(): void {
    if (this.closed) return;
    this.log.warn("the watcher of the embedded servers died; starting another");
    this.process = this.spawn();
    this.tell();
  }
}
