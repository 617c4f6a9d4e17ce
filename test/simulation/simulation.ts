/**
 * One run, chosen by its seed alone: the real workers, owners and domain code against simulated
 * time, broker, database, devices and publishers; then all faults end, everything has to be sealed
 * in bounded time, the workers stop, and the tables are checked against what was stored.
 */
import { Random } from "../../src/simulator/random.ts";
import { Audit } from "./audit.ts";
import { Broker } from "./broker.ts";
import { checkRun, isFinal } from "./checks.ts";
import { Coverage } from "./coverage.ts";
import { Database } from "./database.ts";
import { planDisturbances } from "./disturbances.ts";
import { SimulatedLog } from "./log.ts";
import { Network } from "./network.ts";
import { ProjectorModel } from "./projectorModel.ts";
import { chooseScenario, type Scenario } from "./scenario.ts";
import { Scheduler } from "./scheduler.ts";
import { Traffic } from "./traffic.ts";
import { Workers } from "./workers.ts";

export interface Run {
  readonly scenario: Scenario;
  /** What was wrong; nothing when the run is as it should be. */
  readonly violations: readonly string[];
  readonly coverage: Coverage;
  /** What the workers logged, with the virtual time. */
  readonly trace: readonly string[];
}

/** How long the system may take to seal everything once all is well. */
const recoveryMs = 60_000;
const stopMs = 30_000;
/** Halted partitions are tried again within this time, and say what is wrong now. */
const retriedMs = 15_000;
const traceLinesMax = 2_000;

export function simulate(seed: number): Run {
  const run = new Simulation(seed);
  run.disturb();
  run.recover();
  run.stop();
  return run.check();
}

class Simulation {
  readonly #scheduler = new Scheduler();
  readonly #coverage = new Coverage();
  readonly #audit = new Audit(this.#coverage);
  readonly #trace: string[] = [];
  readonly #clocks = { databaseSkewMs: 0 };
  readonly #scenario: Scenario;
  readonly #network: Network;
  readonly #database: Database;
  readonly #broker: Broker;
  readonly #workers: Workers;
  readonly #traffic: Traffic;
  readonly #projector: ProjectorModel;

  constructor(seed: number) {
    const random = new Random(seed);
    const scheduler = this.#scheduler;
    const scenario = chooseScenario(random);
    const epochMs = 1_800_000_000_000 + random.below(scenario.windowMs);
    const listeners = new Set<() => void>();
    const network = new Network(scheduler, random, this.#coverage, scenario.requests);
    const databaseNow = () => epochMs + scheduler.nowMs + this.#clocks.databaseSkewMs;
    const notify = () => {
      for (const listener of [...listeners]) listener();
    };
    const { partitions } = scenario;
    const database = new Database(partitions, random, databaseNow, this.#audit, notify);
    const broker = new Broker(partitions, () => epochMs + scheduler.nowMs, this.#audit);
    const log = new SimulatedLog(this.#audit, (line) => this.#note(line));
    const audit = this.#audit;
    const around = { scenario, network, database, broker, audit, log, epochMs, listeners };
    this.#scenario = scenario;
    this.#network = network;
    this.#database = database;
    this.#broker = broker;
    this.#workers = new Workers(around);
    this.#traffic = new Traffic(scenario, network, broker);
    this.#projector = new ProjectorModel(database, random);
  }

  disturb(): void {
    this.#traffic.plan();
    planDisturbances({
      scenario: this.#scenario,
      network: this.#network,
      database: this.#database,
      broker: this.#broker,
      workers: this.#workers,
      traffic: this.#traffic,
      clocks: this.#clocks,
    });
    const project = () => {
      this.#projector.step();
      const waitMs = this.#network.random.exponential(this.#scenario.windowMs);
      this.#scheduler.after(waitMs, project);
    };
    project();
    this.#scheduler.run(this.#scenario.trafficMs);
  }

  /** All faults end; time goes on until everything is sealed. */
  recover(): void {
    this.#note("all faults end");
    const healedAtMs = this.#scheduler.nowMs;
    this.#network.heal();
    this.#traffic.heal();
    this.#workers.heal();
    this.#network.comeBack(this.#broker);
    this.#network.comeBack(this.#database);
    this.#broker.skewMs = 0;
    this.#clocks.databaseSkewMs = 0;
    const leastMs = this.#scenario.damage === undefined ? 0 : retriedMs;
    const limitMs = healedAtMs + recoveryMs + 3 * this.#scenario.windowMs;
    while (this.#scheduler.nowMs < limitMs) {
      // Those that were leaving at the end of the faults have gone by and by.
      this.#workers.fill();
      this.#scheduler.run(this.#scheduler.nowMs + 250);
      const early = this.#scheduler.nowMs < healedAtMs + leastMs;
      if (!early && this.#traffic.settled && this.#final()) return;
    }
    this.#audit.violated(`not everything was sealed ${limitMs - healedAtMs} ms after all was well`);
  }

  #final(): boolean {
    const { windowMs } = this.#scenario;
    return this.#broker.streams.every((stream, partition) =>
      isFinal(stream, this.#database.row(partition), windowMs),
    );
  }

  stop(): void {
    this.#note("all workers stop");
    const last = this.#workers.running;
    for (const one of last) this.#workers.leave(one);
    const stopped = this.#scheduler.run(this.#scheduler.nowMs + stopMs, () => this.#workers.gone);
    if (!stopped) this.#audit.violated(`not all workers stopped within ${stopMs} ms`);
    for (const { partition, owner } of this.#database.rows) {
      // A renewal that takes effect after its worker has left gives it the partition once more,
      // for the length of a lease.
      if (this.#database.renewedTooLate.has(owner ?? "")) continue;
      const kept = last.some(({ process }) => process.name === owner);
      if (kept) this.#audit.violated(`partition ${partition} was not given back by ${owner}`);
    }
    this.#projector.step(Number.POSITIVE_INFINITY);
  }

  check(): Run {
    checkRun({
      scenario: this.#scenario,
      audit: this.#audit,
      coverage: this.#coverage,
      database: this.#database,
      broker: this.#broker,
      sent: this.#traffic.devices.sent,
      projector: this.#projector,
    });
    return {
      scenario: this.#scenario,
      violations: this.#audit.violations,
      coverage: this.#coverage,
      trace: this.#trace,
    };
  }

  #note(line: string): void {
    if (this.#trace.length >= traceLinesMax) return;
    this.#trace.push(`${this.#scheduler.nowMs.toFixed(3).padStart(12)} ${line}`);
  }
}
