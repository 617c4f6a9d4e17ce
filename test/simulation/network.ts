/**
 * Requests between processes and servers, and what may become of them. A request takes effect at
 * the server at one instant, or never; its answer may be lost, and it may take effect long after
 * its sender has given up. The sender may be killed before the request or just after its effect.
 */
import type { Random } from "../../src/simulator/random.ts";
import type { Coverage } from "./coverage.ts";
import type { SimulatedProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** How likely each misfortune is, for one request. */
export interface RequestFaults {
  readonly killed: number;
  readonly requestLost: number;
  readonly answerLost: number;
  /** It takes effect after its deadline. */
  readonly late: number;
  readonly slow: number;
}

/** A server, and whether it can be reached: not at all, or without an answer. */
export interface Reachability {
  away: "no" | "refusing" | "silent";
  /** What was on its way to a silent server, and takes effect when that is back. */
  readonly held: (() => void)[];
}

/** What a request fails with. Anything else that an owner fails with is a bug. */
export class SimulatedFailure extends Error {
  constructor(what: string) {
    super(`simulated: ${what}`);
  }
}

const misfortunes = ["killed", "requestLost", "answerLost", "late", "slow"] as const;
type Fate = (typeof misfortunes)[number] | "well";

export class Network {
  #calm = false;

  constructor(
    readonly scheduler: Scheduler,
    readonly random: Random,
    readonly coverage: Coverage,
    private readonly faults: RequestFaults,
  ) {}

  /** From now on every request goes well, unless its server is away. */
  heal(): void {
    this.#calm = true;
  }

  /** The server can be reached again; what was on its way is sent again by and by. */
  comeBack(server: Reachability): void {
    server.away = "no";
    for (const effect of server.held.splice(0)) {
      this.scheduler.after(this.random.exponential(1_000), effect);
    }
  }

  /** The way of a message that is not lost. */
  latencyMs(): number {
    return this.random.chance(0.9) ? this.random.between(0.1, 3) : this.random.between(3, 60);
  }

  /** Calls `effect` at the server, and resolves with what it returns, or fails. */
  request<Result>(
    from: SimulatedProcess,
    to: Reachability,
    deadlineMs: number,
    effect: () => Result,
  ): Promise<Result> {
    if (!from.alive) return new Promise(() => {});
    const fate = this.#fate();
    const killedBefore = fate === "killed" && this.random.chance(0.5);
    const place = fate === "killed" ? (killedBefore ? " before" : " after") : "";
    if (fate !== "well") this.coverage.count(`request: ${fate}${place}`);
    if (killedBefore) {
      from.kill();
      return new Promise(() => {});
    }
    const { scheduler, random } = this;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const startedMs = scheduler.nowMs;
    const expire = () => {
      const leftMs = startedMs + deadlineMs - scheduler.nowMs;
      from.after(leftMs, () => reject(new SimulatedFailure("no answer in time")));
    };
    const fail = () => {
      if (random.chance(0.5)) expire();
      else from.after(this.latencyMs(), () => reject(new SimulatedFailure("connection lost")));
    };
    if (fate === "requestLost") {
      fail();
      return promise;
    }
    if (fate === "late") expire();
    const wayMs =
      fate === "late"
        ? deadlineMs + random.exponential(4_000)
        : fate === "slow"
          ? random.between(0, deadlineMs * 0.6)
          : this.latencyMs();
    scheduler.after(wayMs, () => {
      if (to.away !== "no") {
        if (to.away === "silent") {
          expire();
          if (random.chance(0.7)) to.held.push(() => attempt(effect));
        } else from.run(() => reject(new SimulatedFailure("connection refused")));
        return;
      }
      const answer = attempt(effect);
      if (fate === "killed") from.kill();
      else if (fate === "answerLost") fail();
      else if (answer.ok) from.after(this.latencyMs(), () => resolve(answer.result));
      else from.after(this.latencyMs(), () => reject(answer.error));
    });
    return promise;
  }

  #fate(): Fate {
    if (this.#calm) return "well";
    let point = this.random.uniform();
    for (const fate of misfortunes) {
      point -= this.faults[fate];
      if (point < 0) return fate;
    }
    return "well";
  }
}

type Attempt<Result> = { ok: true; result: Result } | { ok: false; error: unknown };

function attempt<Result>(effect: () => Result): Attempt<Result> {
  try {
    return { ok: true, result: effect() };
  } catch (error) {
    return { ok: false, error };
  }
}
