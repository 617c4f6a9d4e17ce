/**
 * The tables of Postgres and the statements over them, as `src/store/schema` defines them. A
 * statement is atomic: it runs at one instant, and changes nothing when it throws.
 */
import {
  type Commit,
  type CommitOutcome,
  CommitRejected,
  type LeaseState,
  type LoadedCheckpoint,
  type PartitionStop,
  type RememberedTokens,
  type WorkerIdentity,
} from "../../src/actors/ports.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import type { Random } from "../../src/simulator/random.ts";
import type { Audit } from "./audit.ts";
import type { Reachability } from "./network.ts";
import { emptyRow, type PartitionRow } from "./partitionRow.ts";

interface WorkerRow extends WorkerIdentity {
  leaseUntilMs: number;
}

export class Database implements Reachability {
  away: Reachability["away"] = "no";
  readonly held: (() => void)[] = [];
  readonly rows: readonly PartitionRow[];
  readonly #workers = new Map<string, WorkerRow>();
  readonly #windows = new Set<string>();
  readonly #left = new Set<string>();
  /** Workers of which a renewal took effect after they had left. */
  readonly renewedTooLate = new Set<string>();

  constructor(
    partitions: number,
    private readonly random: Random,
    /** The server's own clock, epoch ms. */
    private readonly nowMs: () => number,
    private readonly audit: Audit,
    /** Tells the workers that partitions may have become free. */
    private readonly notify: () => void,
  ) {
    this.rows = Array.from({ length: partitions }, (_, partition) => emptyRow(partition));
  }

  row(partition: number): PartitionRow {
    const row = this.rows[partition];
    if (row === undefined) throw new Error(`there is no partition ${partition}`);
    return row;
  }

  load(partition: number): LoadedCheckpoint {
    const row = this.row(partition);
    const { streamCreated, sequence, messageTime, position, sealedThroughMs } = row;
    const state: unknown = row.state === undefined ? undefined : JSON.parse(row.state);
    const checkpoint = { streamCreated, sequence, messageTime, position, sealedThroughMs, state };
    return { ...checkpoint, isStopped: row.stopped !== undefined };
  }

  commit(commit: Commit): CommitOutcome {
    const { checkpoint } = commit;
    const row = this.row(commit.partition);
    if (row.epoch !== commit.epoch) return "fenced";
    if (row.sequence !== commit.expectedSequence || row.position !== commit.expectedPosition) {
      return "conflict";
    }
    this.#insertEvents(row, commit);
    for (const one of commit.quarantined) {
      const key = `${one.sequence}.${one.index}`;
      if (!row.quarantine.has(key)) row.quarantine.set(key, one);
    }
    row.streamCreated = checkpoint.streamCreated;
    row.sequence = checkpoint.sequence;
    row.messageTime = checkpoint.messageTime;
    row.position = commit.expectedPosition + commit.events.length;
    row.sealedThroughMs = checkpoint.sealedThroughMs;
    row.state = JSON.stringify(checkpoint.state);
    row.stopped = undefined;
    this.audit.committed(commit, row);
    return "committed";
  }

  #insertEvents(row: PartitionRow, commit: Commit): void {
    const named = commit.events.map((event) => {
      const { customer, content, data } = event;
      return { event, window: JSON.stringify([customer, content, data.windowEnd]) };
    });
    const windows = new Set<string>();
    for (const { window } of named) {
      if (this.#windows.has(window) || windows.has(window)) {
        this.audit.violated(`window ${window} is sealed a second time`);
        throw new CommitRejected(`window ${window} is sealed already`);
      }
      windows.add(window);
    }
    for (const { event, window } of named) {
      this.#windows.add(window);
      const windowEndMs = Date.parse(event.data.windowEnd);
      const stored = { windowEndMs, epoch: commit.epoch, recordedMs: this.nowMs() };
      row.events.push({ event: structuredCopy(event), ...stored });
    }
  }

  /** The tokens of up to `max` events after a position, and the position of the last of them. */
  tokensAfter(partition: number, position: number, max: number): RememberedTokens[] {
    return this.row(partition)
      .events.slice(position, position + max)
      .map(({ event, windowEndMs }) => ({ windowEndMs, tokens: event.data.tokens }));
  }

  /** The position before the first event of a window that ends after a time. */
  positionBefore(partition: number, afterMs: number): number | undefined {
    const at = this.row(partition).events.findIndex(({ windowEndMs }) => windowEndMs > afterMs);
    return at < 0 ? undefined : at;
  }

  lastSealedSequence(partition: number, windowEndMs: number, sealedMs: number): number {
    const { events } = this.row(partition);
    const last = events.findLast(
      (one) => one.windowEndMs <= windowEndMs && one.recordedMs <= sealedMs,
    );
    const sequences = events
      .filter((one) => one.windowEndMs === last?.windowEndMs)
      .map(({ event }) => event.data.lastSequence);
    return Math.max(0, ...sequences);
  }

  markStopped(partition: number, epoch: number, stop: PartitionStop | undefined): void {
    const row = this.row(partition);
    if (row.epoch === epoch) row.stopped = stop?.reason;
  }

  renew(worker: WorkerIdentity, leaseMs: number): LeaseState {
    if (this.#left.has(worker.id)) this.renewedTooLate.add(worker.id);
    const now = this.nowMs();
    const joined = !((this.#workers.get(worker.id)?.leaseUntilMs ?? 0) > now);
    this.#workers.set(worker.id, { ...worker, leaseUntilMs: now + leaseMs });
    const alive = this.workers().map(({ id }) => id);
    const share = shareOf(worker.id, alive, this.rows.length);
    const owned = () => this.rows.filter(({ owner }) => owner === worker.id);
    const missing = Math.max(share - owned().length, 0);
    const free = this.rows.filter(({ owner }) => owner === undefined || !alive.includes(owner));
    for (const row of free.slice(0, missing)) {
      // A row that is locked by a commit under way is left for the next time.
      if (this.random.chance(0.05)) continue;
      row.owner = worker.id;
      row.epoch++;
      this.audit.granted(row.partition, row.epoch, worker.id);
    }
    if (joined) this.notify();
    const surplus = Math.max(owned().length - share, 0);
    return { owned: owned().map(({ partition, epoch }) => ({ partition, epoch })), surplus };
  }

  release(workerId: string, partitions: readonly number[]): void {
    for (const row of this.rows) {
      if (row.owner === workerId && partitions.includes(row.partition)) row.owner = undefined;
    }
    this.notify();
  }

  forget(workerIds: readonly string[]): void {
    for (const id of workerIds) {
      this.#workers.delete(id);
      this.#left.add(id);
    }
    for (const row of this.rows) {
      if (row.owner !== undefined && workerIds.includes(row.owner)) row.owner = undefined;
    }
    this.notify();
  }

  /** The workers whose lease runs, by id. */
  workers(): WorkerIdentity[] {
    const now = this.nowMs();
    return [...this.#workers.values()]
      .filter(({ leaseUntilMs }) => leaseUntilMs > now)
      .map(({ id, host, pid }) => ({ id, host, pid }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}

function shareOf(workerId: string, alive: readonly string[], partitions: number): number {
  const rank = alive.indexOf(workerId) + 1;
  const extra = rank <= partitions % alive.length ? 1 : 0;
  return Math.floor(partitions / alive.length) + extra;
}

function structuredCopy(event: DomainEvent): DomainEvent {
  return { ...event, data: { ...event.data } };
}
