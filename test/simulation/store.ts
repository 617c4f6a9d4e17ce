/** The ports to Postgres of one process: each statement is a request over the network. */
import type {
  Commit,
  CommitOutcome,
  LeaseState,
  LeaseStore,
  LoadedCheckpoint,
  PartitionStop,
  PartitionStore,
  RememberedTokens,
  WorkerIdentity,
} from "../../src/actors/ports.ts";
import type { Audit } from "./audit.ts";
import type { Database } from "./database.ts";
import type { Network } from "./network.ts";
import type { SimulatedProcess } from "./process.ts";

/** Small, so that a start takes several pages. */
const pageEvents = 3;

export class SimulatedPartitionStore implements PartitionStore {
  /** Ownerships, as `partition.epoch`, that were told that they are over. */
  readonly #over = new Set<string>();

  constructor(
    private readonly network: Network,
    private readonly database: Database,
    private readonly process: SimulatedProcess,
    private readonly audit: Audit,
    private readonly deadlineMs: number,
  ) {}

  load(partition: number): Promise<LoadedCheckpoint> {
    return this.#run(() => this.database.load(partition));
  }

  async commit(commit: Commit): Promise<CommitOutcome> {
    const ownership = `${commit.partition}.${commit.epoch}`;
    if (this.#over.has(ownership)) this.audit.violated(`${ownership} goes on after it was fenced`);
    // The real adapter does not even send these.
    const { events, expectedPosition, expectedSequence, checkpoint } = commit;
    if (checkpoint.position !== expectedPosition + events.length) {
      throw new Error("the events of a commit do not end at its position");
    }
    if (checkpoint.sequence < expectedSequence) throw new Error("a commit goes back");
    // What is sent is sent: the sender's objects may change before it takes effect.
    const sent = { ...checkpoint, state: JSON.parse(JSON.stringify(checkpoint.state)) };
    const request = { ...commit, checkpoint: sent, quarantined: [...commit.quarantined] };
    const outcome = await this.#run(() => this.database.commit(request));
    this.network.coverage.count(`outcome: ${outcome}`);
    if (outcome === "fenced") this.#over.add(ownership);
    return outcome;
  }

  async *rememberedTokens(
    partition: number,
    afterMs: number,
  ): AsyncIterable<readonly RememberedTokens[]> {
    let position = await this.#run(() => this.database.positionBefore(partition, afterMs));
    while (position !== undefined) {
      const after = position;
      const page = await this.#run(() => this.database.tokensAfter(partition, after, pageEvents));
      if (page.length === 0) return;
      position = after + page.length;
      yield page;
    }
  }

  markStopped(partition: number, epoch: number, stop: PartitionStop | undefined): Promise<void> {
    return this.#run(() => this.database.markStopped(partition, epoch, stop));
  }

  markGoingOn(): Promise<void> {
    return this.#run(() => {});
  }

  lastSealedSequence(partition: number, windowEndMs: number, sealedMs: number): Promise<number> {
    return this.#run(() => this.database.lastSealedSequence(partition, windowEndMs, sealedMs));
  }

  #run<Result>(statement: () => Result): Promise<Result> {
    return this.network.request(this.process, this.database, this.deadlineMs, statement);
  }
}

export class SimulatedLeaseStore implements LeaseStore {
  constructor(
    private readonly network: Network,
    private readonly database: Database,
    private readonly process: SimulatedProcess,
    private readonly listeners: Set<() => void>,
    private readonly deadlineMs: number,
  ) {}

  renew(worker: WorkerIdentity, leaseMs: number): Promise<LeaseState> {
    return this.#run(() => this.database.renew(worker, leaseMs));
  }

  release(worker: WorkerIdentity, partitions: readonly number[]): Promise<void> {
    return this.#run(() => this.database.release(worker.id, partitions));
  }

  leave(worker: WorkerIdentity): Promise<void> {
    return this.forget([worker.id]);
  }

  forget(workerIds: readonly string[]): Promise<void> {
    return this.#run(() => this.database.forget(workerIds));
  }

  workers(): Promise<readonly WorkerIdentity[]> {
    return this.#run(() => this.database.workers());
  }

  /** Notifications are hints: some are lost. */
  onChange(callback: () => void): () => void {
    const { network, process } = this;
    const listener = () => {
      if (network.random.chance(0.8)) process.after(network.latencyMs(), callback);
    };
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  #run<Result>(statement: () => Result): Promise<Result> {
    return this.network.request(this.process, this.database, this.deadlineMs, statement);
  }
}
