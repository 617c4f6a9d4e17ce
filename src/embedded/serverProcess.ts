/** Keeps one embedded server running: starts it, waits until it is ready, restarts it. */
import { closeSync, openSync, renameSync, statSync } from "node:fs";
import { errorMessage, type Log } from "../log.ts";
import { EmbeddedError } from "./embeddedError.ts";
import { givingWay, niceSessions } from "./priority.ts";
import { readIfThere } from "./processes.ts";
import type { Watched, Watcher } from "./watcher.ts";

export interface ServerSpec {
  readonly name: string;
  readonly url: string;
  readonly command: readonly string[];
  /** Standard output and error go here; kept below `logBytesMax` by a move at each start. */
  readonly logFile: string;
  /** The signal that stops it cleanly, and the one by which the watcher ends it at once. */
  readonly stopSignal: NodeJS.Signals;
  readonly watchSignal: Watched["signal"];
  /** By how much it gives way to us and the other server when the cores are short. */
  readonly niceness?: number;
  /** Whether the server with this pid takes connections. */
  ready(pid: number): Promise<boolean>;
}

const logBytesMax = 8 * 1024 * 1024;
/** Long enough for Postgres to recover from 2 GB of write-ahead log. */
const readyMs = 120_000;
/** How long after the clean signal a server that still runs gets a harder one. */
const quitMs = 3_000;
const killMs = 4_000;
/** What a server killed a moment ago still holds, like shared memory, is free after a few tries. */
const firstTries = 4;
const stableMs = 60_000;
const backoffMs = { first: 100, max: 15_000 };

/** What servers inherit of the environment: nothing that could turn a setting of theirs. */
const environment = { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", LC_ALL: "C" };

export class ServerProcess {
  private child: Bun.Subprocess | undefined;
  private stopping = false;
  private supervised = false;
  private failures = 0;
  private restartTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly spec: ServerSpec,
    private readonly watcher: Watcher,
    private readonly log: Log,
  ) {}

  get url(): string {
    return this.spec.url;
  }

  /** Undefined while the server is down. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** True from when the server has taken connections until it ends. */
  get isUp(): boolean {
    return this.supervised && this.child !== undefined;
  }

  /**
   * Resolves when the server takes connections.
   * @param restart whether it is to be started again whenever it ends by itself.
   * @throws EmbeddedError with the server's last words when it does not come up.
   */
  async start(restart = true): Promise<void> {
    clearTimeout(this.restartTimer);
    this.stopping = false;
    this.supervised = false;
    for (let tries = 1; ; tries += 1) {
      try {
        await this.launch();
        break;
      } catch (error) {
        if (tries === firstTries || this.stopping) throw error;
        await Bun.sleep(backoffMs.first * 2 ** tries);
        if (this.stopping) throw error;
      }
    }
    this.supervised = restart;
    if (this.child === undefined) this.restartLater("ended while it was starting");
  }

  /** Sends a signal to the server, if it runs; unless that only pauses it, waits for its end. */
  async kill(name: NodeJS.Signals): Promise<void> {
    const child = this.child;
    child?.kill(name);
    if (name !== "SIGSTOP" && name !== "SIGCONT") await child?.exited;
  }

  /** Stops the server cleanly, or not so cleanly after a few seconds. Idempotent. */
  async stop(): Promise<void> {
    clearTimeout(this.restartTimer);
    this.stopping = true;
    const child = this.child;
    if (child === undefined) return;
    child.kill(this.spec.stopSignal);
    const at = (delayMs: number, signal: NodeJS.Signals) =>
      setTimeout(() => {
        this.log.warn(`${this.spec.name} is slow to stop`, { pid: child.pid, signal });
        child.kill(signal);
      }, delayMs);
    const timers = [at(quitMs, `SIG${this.spec.watchSignal}`), at(killMs, "SIGKILL")];
    await child.exited;
    timers.forEach(clearTimeout);
  }

  private async launch(): Promise<void> {
    const { name, command, logFile, niceness = 0 } = this.spec;
    const logStart = rotate(logFile);
    const output = openSync(logFile, "a");
    const child = Bun.spawn(givingWay(command, niceness), {
      cwd: "/",
      env: environment,
      stdin: "ignore",
      stdout: output,
      stderr: output,
      // A session of its own: Ctrl-C in a terminal is for us, and we stop the servers last.
      detached: true,
    });
    closeSync(output);
    child.unref();
    this.child = child;
    const stopNicing = niceSessions(child.pid, niceness);
    child.exited.then(() => {
      stopNicing();
      this.ended(child);
    });
    this.watcher.set(name, { pid: child.pid, signal: this.spec.watchSignal });
    const deadline = performance.now() + readyMs;
    while (!(await this.spec.ready(child.pid))) {
      if (child.exitCode !== null || child.signalCode !== null) {
        await child.exited;
        const words = (readIfThere(logFile) ?? "").slice(logStart).trim().split("\n").slice(-8);
        throw new EmbeddedError(`the embedded ${name} did not start:\n${words.join("\n")}`);
      }
      if (performance.now() > deadline) {
        child.kill("SIGKILL");
        await child.exited;
        throw new EmbeddedError(`the embedded ${name} was not ready in time: see ${logFile}`);
      }
      await Bun.sleep(10);
    }
  }

  private ended(child: Bun.Subprocess): void {
    if (this.child !== child) return;
    this.child = undefined;
    this.watcher.set(this.spec.name, undefined);
    if (this.supervised && !this.stopping) {
      const { exitCode, signalCode } = child;
      this.restartLater(signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`);
    }
  }

  /** The delay doubles with each failure, which bounds the restarts to about nine a minute. */
  private restartLater(reason: string): void {
    const delayMs = Math.min(backoffMs.first * 2 ** this.failures, backoffMs.max);
    this.failures += 1;
    const { name } = this.spec;
    this.log.warn(`the embedded ${name} ended; restarting it`, { reason, delayMs });
    this.restartTimer = setTimeout(() => this.restart(), delayMs).unref();
  }

  private async restart(): Promise<void> {
    this.supervised = false;
    try {
      await this.launch();
    } catch (error) {
      // It may have been stopped meanwhile, and also started again.
      if (!this.stopping && this.child === undefined) this.restartLater(errorMessage(error));
      return;
    }
    this.log.info(`the embedded ${this.spec.name} runs again`, { pid: this.pid });
    this.supervised = true;
    if (this.child === undefined && !this.stopping) this.restartLater("ended after its start");
    const child = this.child;
    setTimeout(() => {
      if (this.child === child) this.failures = 0;
    }, stableMs).unref();
  }
}

/** Moves a log that has grown out of the way; returns the length of what stays. */
function rotate(logFile: string): number {
  const length = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
  if (length < logBytesMax) return length;
  renameSync(logFile, `${logFile}.1`);
  return 0;
}
