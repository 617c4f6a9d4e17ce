/**
 * Places at which a process kills itself. Every call through a port is two of them: one before it
 * is made, and one after it was answered, before anybody has used the answer.
 */
import { writeSync } from "node:fs";
import { readPartitionState } from "../../src/actors/partitionState.ts";
import type { Commit } from "../../src/actors/ports.ts";

/** Some calls recur for as long as the process runs; the first of them are enough. */
const timesMax = 2;
const commitsMax = 3;

export class Failpoints {
  readonly #times = new Map<string, number>();

  /**
   * @param dieAt the place where this process ends, for example `before tick #2`; none if empty.
   */
  constructor(private readonly dieAt: string) {}

  /** Says where the process is, so that its parent knows, also of the last place. */
  pass(place: string): void {
    const times = (this.#times.get(place) ?? 0) + 1;
    this.#times.set(place, times);
    if (times > (place.includes(" commit") ? commitsMax : timesMax)) return;
    const name = `${place} #${times}`;
    this.say(name);
    if (name === this.dieAt) process.kill(process.pid, "SIGKILL");
  }

  /** At once, since there may be no later. */
  say(line: string): void {
    writeSync(1, `${line}\n`);
  }

  /**
   * The port with a failpoint on both sides of each call, and of the calls to what it returns.
   * @param nameOf what a call is called in the names of its failpoints.
   */
  around<Port extends object>(port: Port, nameOf = describe): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...args: readonly unknown[]) => {
          const call = nameOf(String(name), args);
          this.pass(`before ${call}`);
          const answer: unknown = Reflect.apply(member, target, args);
          return this.#answered(call, answer);
        };
      },
    });
  }

  #answered(call: string, answer: unknown): unknown {
    if (answer instanceof Promise) return this.#settled(call, answer);
    if (isIterable(answer)) return this.#pages(call, answer);
    this.pass(`after ${call}`);
    // What a function returns to undo its work is no port.
    return typeof answer === "object" && answer !== null ? this.around(answer) : answer;
  }

  async #settled(call: string, answer: Promise<unknown>): Promise<unknown> {
    try {
      return await answer;
    } finally {
      this.pass(`after ${call}`);
    }
  }

  async *#pages(call: string, pages: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    for await (const page of pages) {
      this.pass(`after a page of ${call}`);
      yield page;
    }
    this.pass(`after ${call}`);
  }
}

/** Commits differ in what they write, and so in what a death beside them may do. */
function describe(call: string, [first]: readonly unknown[]): string {
  if (!isCommit(first)) return call;
  if (first.events.length > 0) return `${call} of events`;
  const { windows } = readPartitionState(first.checkpoint.state);
  return `${call} of ${windows.length > 0 ? "an open window" : "a quiet window"}`;
}

function isCommit(value: unknown): value is Commit {
  return typeof value === "object" && value !== null && "checkpoint" in value && "events" in value;
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
