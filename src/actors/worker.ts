/**
 * A worker owns some of the partitions. Its lease is a row in Postgres that it renews several
 * times within `leaseMs`; a partition whose owner's lease has run out is free for others, under a
 * new epoch. The database's clock decides; the worker itself trusts its lease a little shorter than
 * that, counted from before it asked, so that it stands down before anyone else takes over. And if
 * all of this failed, the epoch would still refuse its commits.
 *
 *   renew ─▶ start owners of what is new ─▶ stop owners of what is gone ─▶ release the surplus ─▶ …
 */
import { errorMessage, type Log } from "../log.ts";
import { actorViews } from "./actorViews.ts";
import type { Clock } from "./clock.ts";
import type { OwnerContext, OwnerEnd } from "./ownerContext.ts";
import { PartitionOwner } from "./partitionOwner.ts";
import type { LeaseStore, Ownership, WorkerIdentity } from "./ports.ts";
import type { ActorViews, PartitionReason, ServeActors } from "./readPorts.ts";

interface WorkerOptions {
  readonly identity: WorkerIdentity;
  readonly leases: LeaseStore;
  readonly leaseMs: number;
  readonly owner: Omit<OwnerContext, "workerId">;
  readonly serveActors: ServeActors;
  /** True when no process with this pid runs on this host any more. */
  isDead(pid: number): boolean;
}

/** Renewals within a lease, and the part of it that is trusted. */
const renewalsPerLease = 5;
/**
 * One that failed is tried again so soon, as part of a lease, that there is time left for an
 * answer.
 */
const retryPart = 0.1;
const trustedPart = 0.8;
/** A partition whose owner halted, or failed, is tried again after this long. */
const haltedRetryMs = 5_000;
const failedRetryMs = 500;

interface Holding {
  readonly owner: PartitionOwner;
  readonly stopServing: () => void;
}

interface WorkerStatus {
  /** Partitions whose owner was started, and those of them that are read now. */
  readonly owned: number;
  readonly running: number;
  /** Partitions that are owned and not read, and why. */
  readonly stopped: readonly PartitionReason[];
  /** Partitions whose stream has no room for a tick, and why. */
  readonly full: readonly PartitionReason[];
  /** False when the lease could not be renewed in time. */
  readonly trusted: boolean;
}

export class Worker {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #abort = new AbortController();
  readonly #holdings = new Map<number, Holding>();
  readonly #stopped = new Map<number, { reason: string; untilMs: number; epoch: number }>();
  /** Partitions that could not be started here: a start ends what the database says of them. */
  readonly #unstarted = new Set<number>();
  /** Owners of which the database need not be told that they read. */
  readonly #told = new WeakSet<PartitionOwner>();
  /** What is noted is noted in order. */
  #noted: Promise<void> = Promise.resolve();
  /** The epoch under which each partition last had an owner here. */
  readonly #used = new Map<number, number>();
  /** Partitions whose owner was told to end, and what has to happen before they are gone. */
  readonly #leaving = new Set<number>();
  readonly #partings = new Set<Promise<void>>();
  #nudged = new AbortController();
  #trustedUntilMs = 0;
  #running: Promise<void> | undefined;

  constructor(private readonly options: WorkerOptions) {
    this.#clock = options.owner.clock;
    this.#log = options.owner.log.with({ worker: options.identity.id });
  }

  get status(): WorkerStatus {
    return {
      owned: this.#holdings.size,
      running: [...this.#holdings.values()].filter(({ owner }) => owner.ready).length,
      stopped: [...this.#stopped].map(([partition, { reason }]) => ({ partition, reason })),
      full: [...this.owners()].flatMap(({ partition, full: reason }) =>
        reason === undefined ? [] : [{ partition, reason }],
      ),
      trusted: this.#clock.monotonic() < this.#trustedUntilMs,
    };
  }

  /** The owners of the partitions it holds, for metrics. */
  *owners(): Generator<PartitionOwner> {
    for (const { owner } of this.#holdings.values()) yield owner;
  }

  /** Takes part from now on. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Checkpoints, gives every partition back, and leaves. Idempotent. */
  async stop(): Promise<void> {
    this.#abort.abort();
    this.#nudged.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { leases, leaseMs, identity } = this.options;
    const stopListening = leases.onChange(() => this.#nudged.abort());
    const watching = this.#watchLease();
    await this.#forgetTheDead();
    while (!this.#abort.signal.aborted) {
      this.#nudged = new AbortController();
      const isRenewed = await this.#renew();
      const pauseMs = isRenewed ? leaseMs / renewalsPerLease : leaseMs * retryPart;
      await this.#clock.sleep(pauseMs, this.#nudged.signal);
    }
    stopListening();
    await watching;
    await Promise.all([...this.#partings, this.#standDown([...this.#holdings.keys()])]);
    await leases.leave(identity).catch((error) => {
      this.#log.warn("the lease could not be given back, it will run out", { error });
    });
  }

  /** Workers of this host whose process is gone need not be waited for until their lease ends. */
  async #forgetTheDead(): Promise<void> {
    const { leases, identity, isDead } = this.options;
    try {
      const dead = (await leases.workers()).filter(
        ({ id, host, pid }) =>
          id !== identity.id && host === identity.host && (pid === identity.pid || isDead(pid)),
      );
      if (dead.length > 0) await leases.forget(dead.map(({ id }) => id));
    } catch (error) {
      this.#log.debug("dead workers could not be looked for", { error });
    }
  }

  /** False when it failed. */
  async #renew(): Promise<boolean> {
    const { leases, leaseMs, identity } = this.options;
    const askedAt = this.#clock.monotonic();
    try {
      const { owned, surplus } = await leases.renew(identity, leaseMs);
      this.#trustedUntilMs = askedAt + leaseMs * trustedPart;
      // An answer that comes too late tells what may be another's by now.
      if (this.#clock.monotonic() >= this.#trustedUntilMs) return true;
      this.#adopt(owned, surplus);
      void this.#sayWhatRuns();
      return true;
    } catch (error) {
      this.#log.warn("the lease could not be renewed", { error: errorMessage(error) });
      return false;
    }
  }

  /** A renewal may take longer than the lease is trusted: who waits for it must not work on. */
  async #watchLease(): Promise<void> {
    const { leaseMs } = this.options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const leftMs = this.#trustedUntilMs - this.#clock.monotonic();
      if (leftMs <= 0) this.#part([...this.#holdings.keys()], false);
      await this.#clock.sleep(leftMs > 0 ? leftMs : leaseMs / renewalsPerLease, signal);
    }
  }

  #adopt(owned: readonly Ownership[], surplus: number): void {
    const epochs = new Map(owned.map(({ partition, epoch }) => [partition, epoch]));
    const gone = [...this.#holdings].filter(
      ([partition, { owner }]) => epochs.get(partition) !== owner.epoch,
    );
    this.#part(
      gone.map(([partition]) => partition),
      false,
    );
    // A stopped partition that is under a new epoch was taken over, or may go on.
    for (const [partition, { epoch }] of this.#stopped) {
      if (epochs.get(partition) !== epoch) this.#stopped.delete(partition);
    }
    const staying = owned.filter(({ partition }) => !this.#leaving.has(partition));
    const excess = Math.max(0, surplus - (owned.length - staying.length));
    const released = staying.slice(0, excess).map(({ partition }) => partition);
    for (const ownership of staying.slice(excess)) {
      const { partition, epoch } = ownership;
      if (this.#holdings.has(partition) || this.#waits(partition)) continue;
      // A commit that its former owner gave up may still take effect under this epoch, so the
      // next owner gets another one.
      if (this.#used.get(partition) === epoch) released.push(partition);
      else this.#begin(ownership);
    }
    this.#part(released, true);
  }

  /** Renewals go on meanwhile: an owner may have a commit to wait for. */
  #part(partitions: readonly number[], release: boolean): void {
    if (partitions.length === 0) return;
    const parting = this.#partNow(partitions, release)
      // One of them may be ours again, under another epoch.
      .then(() => this.#nudged.abort())
      .catch((error) => {
        this.#log.warn("partitions could not be released", { error: errorMessage(error) });
      });
    this.#partings.add(parting);
    void parting.finally(() => this.#partings.delete(parting));
  }

  async #partNow(partitions: readonly number[], release: boolean): Promise<void> {
    const { leases, identity } = this.options;
    for (const partition of partitions) this.#leaving.add(partition);
    try {
      await this.#standDown(partitions);
      if (!release) return;
      await leases.release(identity, partitions);
      this.#log.info("partitions released", { partitions });
    } finally {
      for (const partition of partitions) this.#leaving.delete(partition);
    }
  }

  /** True when a partition was stopped so recently that it is not tried again yet. */
  #waits(partition: number): boolean {
    const stopped = this.#stopped.get(partition);
    return stopped !== undefined && this.#clock.monotonic() < stopped.untilMs;
  }

  #begin(ownership: Ownership): void {
    const { partition, epoch } = ownership;
    this.#stopped.delete(partition);
    this.#used.set(partition, epoch);
    const own = { ...this.options.owner, workerId: this.options.identity.id };
    const owner = new PartitionOwner(own, ownership);
    const stopServing = this.#serve(partition, actorViews(owner, own));
    this.#holdings.set(partition, { owner, stopServing });
    void owner.done.then((end) => this.#ended(owner, end));
  }

  /** An owner that runs is held, whether or not its actors can be asked for. */
  #serve(partition: number, views: ActorViews): () => void {
    try {
      return this.options.serveActors(partition, views);
    } catch (error) {
      this.#log.warn("the actors of a partition cannot be asked for", { partition, error });
      return () => {};
    }
  }

  async #ended(owner: PartitionOwner, end: OwnerEnd): Promise<void> {
    const { partition, epoch } = owner;
    const holding = this.#holdings.get(partition);
    if (holding?.owner !== owner) return;
    holding.stopServing();
    this.#holdings.delete(partition);
    if (end.kind === "fenced") this.#log.warn("partition lost to another worker", { partition });
    if (end.kind !== "halted" && end.kind !== "failed") return;
    const { reason } = end;
    const isHalted = end.kind === "halted";
    const retryMs = isHalted ? haltedRetryMs : failedRetryMs;
    const untilMs = this.#clock.monotonic() + retryMs;
    this.#stopped.set(partition, { reason, untilMs, epoch });
    if (owner.ready) this.#unstarted.delete(partition);
    else this.#unstarted.add(partition);
    const { store } = this.options.owner;
    const mark = () => store.markStopped(partition, epoch, { reason, isHalted });
    await this.#note(mark).catch((error) => {
      this.#log.warn("the reason of a stop could not be noted", { partition, error });
    });
  }

  #note(mark: () => Promise<void>): Promise<void> {
    const noting = this.#noted.then(mark);
    this.#noted = noting.catch(() => {});
    return noting;
  }

  /**
   * What kept an owner from starting is over as soon as one has started. A commit says so too, but
   * without payloads the next one may be a window away. What ended an owner that was reading may
   * end the next one again: its reason stays until a commit, but while one reads nobody has to
   * decide.
   */
  async #sayWhatRuns(): Promise<void> {
    const { store } = this.options.owner;
    for (const [partition, { owner }] of [...this.#holdings]) {
      if (!owner.ready || this.#told.has(owner)) continue;
      this.#told.add(owner);
      const isStarted = this.#unstarted.delete(partition);
      if (!isStarted && !owner.wasStopped) continue;
      const mark = () =>
        isStarted
          ? store.markStopped(partition, owner.epoch, undefined)
          : store.markGoingOn(partition, owner.epoch);
      await this.#note(mark).catch((error) => {
        this.#told.delete(owner);
        if (isStarted) this.#unstarted.add(partition);
        this.#log.debug("that a partition runs could not be noted", { partition, error });
      });
    }
  }

  async #standDown(partitions: readonly number[]): Promise<void> {
    const holdings = partitions.map((partition) => this.#holdings.get(partition));
    for (const partition of partitions) this.#holdings.delete(partition);
    await Promise.all(
      holdings.map((holding) => {
        holding?.stopServing();
        return holding?.owner.stop();
      }),
    );
  }
}
