/** The workers of a simulation: the real `Worker`, each in a process of its own that may end. */
import { SlicedTurns } from "../../src/actors/turns.ts";
import { Worker } from "../../src/actors/worker.ts";
import type { Audit } from "./audit.ts";
import type { Broker } from "./broker.ts";
import type { Database } from "./database.ts";
import type { DeliveryFaults } from "./feed.ts";
import type { SimulatedLog } from "./log.ts";
import type { Network } from "./network.ts";
import { SimulatedProcess } from "./process.ts";
import type { Scenario } from "./scenario.ts";
import { SimulatedLeaseStore, SimulatedPartitionStore } from "./store.ts";
import { SimulatedStreams } from "./streams.ts";

interface Surroundings {
  readonly scenario: Scenario;
  readonly network: Network;
  readonly database: Database;
  readonly broker: Broker;
  readonly audit: Audit;
  readonly log: SimulatedLog;
  readonly epochMs: number;
  readonly listeners: Set<() => void>;
}

interface RunningWorker {
  readonly process: SimulatedProcess;
  readonly worker: Worker;
  readonly host: string;
  readonly faults: { -readonly [name in keyof DeliveryFaults]: DeliveryFaults[name] };
  stopping: boolean;
}

export class Workers {
  /** The last worker of each slot; its process may be dead. */
  readonly #slots: (RunningWorker | undefined)[];
  readonly #processes: { readonly process: SimulatedProcess; readonly host: string }[] = [];
  #started = 0;
  #calm = false;

  constructor(private readonly around: Surroundings) {
    this.#slots = Array.from({ length: around.scenario.workers }, () => undefined);
  }

  /** Those whose process runs and was not asked to stop. */
  get running(): readonly RunningWorker[] {
    return this.#slots.filter(
      (one): one is RunningWorker => one?.process.alive === true && !one.stopping,
    );
  }

  /** Starts a worker in every slot whose process is gone. */
  fill(): void {
    for (const [slot, one] of this.#slots.entries()) {
      if (one === undefined || !one.process.alive) this.#slots[slot] = this.#start(slot);
    }
  }

  /** True when a slot has no living process. */
  get vacant(): boolean {
    return this.#slots.some((one) => one === undefined || !one.process.alive);
  }

  /** Asks a worker to stop; its process ends when it has. */
  leave(one: RunningWorker): void {
    one.stopping = true;
    void one.worker.stop().then(() => {
      this.around.network.coverage.count("worker: stopped gracefully");
      one.process.kill();
    });
  }

  /** Ends all faults of deliveries; and what is frozen goes on. */
  heal(): void {
    this.#calm = true;
    for (const one of this.#slots) {
      if (one === undefined) continue;
      Object.assign(one.faults, noFaults);
      one.process.skewMs = 0;
      if (one.process.frozen) one.process.continue();
    }
  }

  /** True when no worker's process is alive any more. */
  get gone(): boolean {
    return this.#slots.every((one) => one?.process.alive !== true);
  }

  #start(slot: number): RunningWorker {
    const { scenario, network, database, broker, audit, log, epochMs, listeners } = this.around;
    const name = `worker-${slot}-${++this.#started}`;
    const host = scenario.sameHost && !scenario.samePids ? "host" : `host-${slot}`;
    const pid = scenario.samePids ? 1 : this.#started;
    const process = new SimulatedProcess(name, pid, network.scheduler, epochMs);
    this.#processes.push({ process, host });
    const faults = { ...(this.#calm ? noFaults : scenario.deliveries) };
    const leaseDeadlineMs = Math.min(scenario.requestMs, scenario.leaseMs / 2);
    const worker = new Worker({
      identity: { id: name, host, pid },
      leases: new SimulatedLeaseStore(network, database, process, listeners, leaseDeadlineMs),
      leaseMs: scenario.leaseMs,
      owner: {
        streams: new SimulatedStreams(network, broker, process, faults, scenario.requestMs),
        store: new SimulatedPartitionStore(network, database, process, audit, scenario.requestMs),
        clock: process.clock,
        log: log.with({ worker: name }),
        rules: {
          windowMs: scenario.windowMs,
          partitions: scenario.partitions,
          sessionMemoryMs: scenario.memoryWindows * scenario.windowMs,
        },
        rawRetentionMs: scenario.rawRetentionMs,
        // Virtual time stands still while something runs: every pause is taken.
        turns: new SlicedTurns(process.clock, undefined, 0),
      },
      serveActors: () => () => {},
      isDead: (other) =>
        !this.#processes.some((one) => {
          return one.host === host && one.process.pid === other && one.process.alive;
        }),
    });
    worker.start();
    return { process, worker, host, faults, stopping: false };
  }
}

const noFaults: DeliveryFaults = { silent: 0, repeated: 0, skipped: 0, late: 0 };
