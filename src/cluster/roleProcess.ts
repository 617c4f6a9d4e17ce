/** A process of Payload Stats with some of its roles, kept running like a supervisor would. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { readIfThere, signal } from "../embedded/processes.ts";
import type { Watcher } from "../embedded/watcher.ts";
import { errorMessage, type Log } from "../log.ts";

export interface RoleProcessSpec {
  readonly name: string;
  /** The value of ROLES. */
  readonly role: "ingest" | "worker" | "projector" | "admin";
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

type RoleState = "starting" | "running" | "paused" | "down";

/** A process that ended though nobody had asked it to. */
export interface UnexpectedEnd {
  readonly name: string;
  readonly how: string;
}

/** Trying again does not help. */
class BadConfiguration extends Error {}

const program = join(import.meta.dir, "..", "main.ts");
/** Between an end that was not asked for and the next start. */
const restartMs = 500;
/** One that is not ready by then hangs, and is killed. */
const readyMs = 60_000;
/** A process that has not stopped by then is killed: its own limit is a little less. */
const stopMs = 12_000;

export class RoleProcess {
  readonly unexpectedEnds: UnexpectedEnd[] = [];
  #child: Bun.Subprocess<"ignore", "pipe", number> | undefined;
  #state: RoleState = "down";
  #wanted = false;

  constructor(
    readonly spec: RoleProcessSpec,
    private readonly watcher: Watcher,
    private readonly log: Log,
  ) {}

  get name(): string {
    return this.spec.name;
  }

  get state(): RoleState {
    return this.#state;
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Starts it, again and again as a supervisor would, and resolves when it is ready to serve.
   * @throws when it is not ready in time.
   */
  async start(): Promise<void> {
    this.#wanted = true;
    const deadline = performance.now() + readyMs;
    while (this.#wanted && this.#child === undefined) {
      try {
        await this.#launch();
      } catch (error) {
        this.log.debug("a process did not start", { error });
        if (error instanceof BadConfiguration || performance.now() > deadline) throw error;
        await Bun.sleep(restartMs);
      }
    }
  }

  pause(): void {
    if (this.#child === undefined || !signal(this.#child.pid, "SIGSTOP")) return;
    this.#state = "paused";
  }

  resume(): void {
    if (this.#child === undefined || !signal(this.#child.pid, "SIGCONT")) return;
    this.#state = "running";
  }

  /** Kills it with SIGKILL; it stays down until it is started. */
  async kill(): Promise<void> {
    this.#wanted = false;
    this.#child?.kill("SIGKILL");
    await this.#child?.exited;
  }

  /** Stops it with SIGTERM; resolves with its exit code, 0 when it was down. */
  async stop(): Promise<number> {
    this.#wanted = false;
    const child = this.#child;
    if (child === undefined) return 0;
    this.resume();
    child.kill("SIGTERM");
    const timer = setTimeout(() => {
      this.log.warn(`${this.name} is slow to stop`, { pid: child.pid });
      child.kill("SIGKILL");
    }, stopMs);
    const code = await child.exited;
    clearTimeout(timer);
    return code;
  }

  async #launch(): Promise<void> {
    const { name, role, env, logFile } = this.spec;
    const errors = openSync(logFile, "a");
    const child = Bun.spawn([process.execPath, program], {
      cwd: join(program, "..", ".."),
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env, ROLES: role },
      stdin: "ignore",
      stdout: "pipe",
      stderr: errors,
      // A session of its own: Ctrl-C in a terminal is for us, who stop everything in order.
      detached: true,
    });
    closeSync(errors);
    this.#child = child;
    this.#state = "starting";
    child.exited.then(() => this.#ended(child));
    this.watcher.set(name, { pid: child.pid, signal: "TERM" });
    const timer = setTimeout(() => child.kill("SIGKILL"), readyMs);
    await isReady(child.stdout);
    clearTimeout(timer);
    if (this.#child !== child) {
      const words = (readIfThere(logFile) ?? "").trimEnd().split("\n").slice(-1).join("");
      const problem = `${name} did not start: ${words}`;
      throw child.exitCode === 2 ? new BadConfiguration(problem) : new Error(problem);
    }
    this.#state = "running";
  }

  #ended(child: Bun.Subprocess): void {
    if (this.#child !== child) return;
    const ready = this.#state !== "starting";
    this.#child = undefined;
    this.#state = "down";
    this.watcher.set(this.name, undefined);
    // One that ends before it is ready is started again by who waits for it.
    if (!this.#wanted || !ready) return;
    const { signalCode, exitCode } = child;
    const how = signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`;
    this.unexpectedEnds.push({ name: this.name, how });
    this.log.warn(`${this.name} ended; restarting it`, { how });
    this.#restart();
  }

  #restart(): void {
    setTimeout(() => {
      if (!this.#wanted) return;
      this.start().catch((error) => {
        this.log.error(`${this.name} cannot be started`, { error: errorMessage(error) });
      });
    }, restartMs);
  }
}

/** Resolves when the process says that it is ready, or has ended; reads on for ever. */
function isReady(output: ReadableStream<Uint8Array>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  void (async () => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of output) {
      if (text.length < 4_096) text += decoder.decode(chunk, { stream: true });
      if (text.includes("payload-stats is ready")) resolve();
    }
    // The end of output comes a moment before the end of the process is known.
    await Bun.sleep(50);
    resolve();
  })();
  return promise;
}
