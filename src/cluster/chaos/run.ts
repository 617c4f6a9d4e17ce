/** A run of chaos: load, faults one after the other, healing, and the verdict. */
import { systemClock } from "../../actors/clock.ts";
import { ceilTo } from "../../domain/windows.ts";
import { errorMessage } from "../../log.ts";
import { Random } from "../../simulator/random.ts";
import type { UnexpectedEnd } from "../roleProcess.ts";
import { type Verdict, verify } from "../verifier/verify.ts";
import type { Blow, FaultKind } from "./faults.ts";
import { type Battlefield, inject } from "./inject.ts";
import { Load } from "./load.ts";
import { PayloadMaker } from "./payloads.ts";
import { type Seal, SealWatch } from "./seals.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly forMs: number;
  readonly blows: readonly Blow[];
  readonly windowMs: number;
  readonly partitions: number;
  readonly leaseMs: number;
  readonly payloadsPerSecond: number;
  /** How long the cluster may take to take payloads again, and to seal the last window. */
  readonly patienceMs?: number;
}

/** A fault that was done, and what was measured. Times are epoch ms. */
export interface Done extends FaultKind {
  readonly hit: string;
  readonly startMs: number;
  /** When what it hit was whole again. */
  readonly healedMs: number;
  /** When a probe of all partitions, posted after the start, was acknowledged. */
  readonly acknowledgedMs: number;
  /** It came together with another one, so its times are not its own. */
  readonly combined: boolean;
}

export interface ChaosResult extends Verdict {
  readonly done: readonly Done[];
  readonly seals: readonly Seal[];
  readonly unexpectedEnds: readonly UnexpectedEnd[];
  readonly requests: number;
  readonly lastedMs: number;
}

const probeMs = 1_000;
const probePauseMs = 25;
const patienceMsMax = 90_000;

export class Chaos {
  readonly #load: Load;
  readonly #seals: SealWatch;
  readonly #done: Done[] = [];
  readonly #problems: string[] = [];
  /** One actor of each partition. */
  #probes: (readonly [string, string])[] = [];

  constructor(
    private readonly cluster: Battlefield,
    private readonly options: ChaosOptions,
    private readonly say: (line: string) => void,
  ) {
    const random = new Random(options.seed);
    const { windowMs, payloadsPerSecond } = options;
    const urls = cluster.ingestUrls;
    const maker = new PayloadMaker(random, windowMs);
    this.#load = new Load(random, maker, { urls, windowMs, payloadsPerSecond });
    this.#seals = new SealWatch(cluster.databaseUrl, windowMs);
  }

  /** Ends early, but orderly, when the signal is aborted. */
  async run(signal: AbortSignal): Promise<ChaosResult> {
    this.#seals.start();
    try {
      return await this.#run(signal);
    } finally {
      // Else a run that failed would go on watching, and its process would never end.
      await this.#seals.stop();
    }
  }

  async #run(signal: AbortSignal): Promise<ChaosResult> {
    const startedMs = Date.now();
    const ending = new AbortController();
    const loading = this.#load.run(ending.signal);
    try {
      this.#probes = await this.#findProbes();
      await this.#strike(startedMs, signal);
    } finally {
      ending.abort();
      await loading;
    }
    await this.#settle();
    const lastedMs = Date.now() - startedMs;
    const verdict = await verify({
      natsUrl: this.cluster.natsUrl,
      databaseUrl: this.cluster.databaseUrl,
      partitions: this.options.partitions,
      windowMs: this.options.windowMs,
      posted: this.#load.posted,
    });
    return {
      ...verdict,
      differences: [...this.#problems, ...this.#load.wrongAnswers, ...verdict.differences],
      done: this.#done,
      seals: this.#seals.seals,
      unexpectedEnds: this.cluster.roles.flatMap(({ unexpectedEnds }) => unexpectedEnds),
      requests: this.#load.requests,
      lastedMs,
    };
  }

  /** Receipts tell which partition a content belongs to. */
  async #findProbes(): Promise<(readonly [string, string])[]> {
    const found = new Map<string, readonly [string, string]>();
    for (let i = 0; found.size < this.options.partitions; i++) {
      if (i > 100 * this.options.partitions) throw new Error("some partition takes no payload");
      const actor = ["Probe", `probe ${i}`] as const;
      const receipt = await this.#load.single(actor, 5_000);
      const partition = receipt?.split(".")[0];
      if (partition !== undefined && !found.has(partition)) found.set(partition, actor);
    }
    return [...found.values()];
  }

  async #strike(startedMs: number, signal: AbortSignal): Promise<void> {
    const { forMs, windowMs } = this.options;
    // Before the first fault there is a window without any.
    const slotMs = (forMs - windowMs) / this.options.blows.length;
    for (const [index, blow] of this.options.blows.entries()) {
      const slot = startedMs + windowMs + index * slotMs;
      const at = slot + blow.share * 0.5 * slotMs;
      const boundary = ceilTo(at, windowMs) + blow.offsetMs;
      await sleepUntil(blow.atBoundary ? boundary : at, signal);
      if (signal.aborted) return;
      await this.#blow(blow, index);
    }
    await sleepUntil(startedMs + forMs, signal);
  }

  async #blow({ faults, gapMs }: Blow, index: number): Promise<void> {
    const combined = faults.length > 1;
    const startMs = Date.now();
    const doing = faults.map(async (fault, order) => {
      await Bun.sleep(order * gapMs);
      const { target, action } = fault;
      const measured = Promise.withResolvers<number>();
      let faultMs = Date.now();
      const struck = () => {
        faultMs = Date.now();
        measured.resolve(this.#probe(`${action} ${target}`));
      };
      const hit = await inject(this.cluster, fault, struck).catch((error: unknown) => {
        this.#problems.push(`${action} ${target} was not healed: ${errorMessage(error)}`);
        measured.resolve(0);
        return target;
      });
      const healedMs = Date.now();
      const acknowledgedMs = await measured.promise;
      const times = { startMs: faultMs, healedMs, acknowledgedMs };
      this.#done.push({ target, action, hit, combined, ...times });
      return `${action} ${hit}`;
    });
    const hits = await Promise.all(doing);
    const { posted } = this.#load;
    const acknowledged = posted.filter(({ fate }) => fate === "acknowledged").length;
    const lagMs = Date.now() - this.#seals.throughMs;
    this.say(
      `${String(index + 1).padStart(3)}/${this.options.blows.length} ${hits.join(" + ")}: ` +
        "healed in " +
        `${Date.now() - startMs} ms; ${posted.length} payloads, ${acknowledged} acknowledged; ` +
        `sealed until ${Math.round(lagMs / 100) / 10} s ago`,
    );
  }

  /** Resolves with the time at which a payload for every partition was acknowledged. */
  async #probe(fault: string): Promise<number> {
    const { patienceMs = patienceMsMax } = this.options;
    const endMs = Date.now() + patienceMs;
    while (!(await this.#load.probe(this.#probes, probeMs))) {
      if (Date.now() > endMs) {
        this.#problems.push(`after ${fault}, not all partitions took payloads in ${patienceMs} ms`);
        break;
      }
      await Bun.sleep(probePauseMs);
    }
    return Date.now();
  }

  /** Stops ingest, so that nothing comes any more, and waits until all of it is visible. */
  async #settle(): Promise<void> {
    await this.cluster.natsRecovered().catch((error: unknown) => {
      this.#problems.push(errorMessage(error));
    });
    const ingests = this.cluster.roles.filter(({ spec }) => spec.role === "ingest");
    await Promise.all(ingests.map((ingest) => ingest.stop()));
    const { windowMs, patienceMs = patienceMsMax } = this.options;
    const endMs = Date.now();
    this.say("the load has ended; waiting until everything is sealed");
    while (this.#seals.throughMs <= endMs) {
      if (Date.now() > endMs + windowMs + patienceMs) {
        this.#problems.push(`the window that ended after ${endMs} is not sealed`);
        return;
      }
      await Bun.sleep(100);
    }
  }
}

/** At once when the time is over. */
function sleepUntil(timeMs: number, signal: AbortSignal): Promise<void> {
  return systemClock.sleep(Math.max(0, timeMs - Date.now()), signal);
}
