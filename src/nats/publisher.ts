/**
 * Appends payloads to the log: decides whether they are taken, and puts them into the lanes of
 * their partitions. `LaneSender` sends what the lanes hold.
 */
import { type AppendWaiter, type PayloadLog, PayloadLogUnavailable } from "../actors/ports.ts";
import type { PartitionReason } from "../actors/readPorts.ts";
import { partitionOf } from "../domain/digest.ts";
import type { Payload } from "../domain/payload.ts";
import type { NatsLink } from "./connection.ts";
import { LaneSender } from "./laneSender.ts";
import { Lane, PendingAppend } from "./outgoing.ts";
import { type PublisherLimits, publisherLimits } from "./publisherLimits.ts";

export interface PublisherOptions {
  readonly partitions: number;
  /** Unique to this start of this process or thread; letters, digits and dashes. */
  readonly publisher: string;
  readonly limits?: Partial<PublisherLimits>;
  /** Where payloads that are queued or in flight are counted; memory that threads may share. */
  readonly pending?: Int32Array;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

type Reason = PayloadLogUnavailable["reason"];

/** A process that is taken out of balancing for a full stream is tried again after this long. */
const fullMs = 30_000;
/** Longer than a message is tried for: it lasts while payloads come and none is stored. */
const unansweredMs = 10_000;

export class Publisher implements PayloadLog {
  readonly #lanes: readonly Lane[];
  readonly #limits: PublisherLimits;
  readonly #now: () => number;
  readonly #sender: LaneSender;
  #stopping: Promise<void> | undefined;

  constructor(
    private readonly link: NatsLink,
    options: PublisherOptions,
  ) {
    const { partitions, publisher, pending = new Int32Array(1) } = options;
    this.#limits = publisherLimits(options.limits ?? {}, link.payloadBytesMax);
    this.#now = options.now ?? (() => performance.now());
    this.#lanes = Array.from({ length: partitions }, (_, partition) => new Lane(partition));
    const lanes = this.#lanes;
    this.#sender = new LaneSender({
      link,
      publisher,
      lanes,
      limits: this.#limits,
      pending,
      now: this.#now,
    });
  }

  /**
   * Partitions whose stream refused a message for want of room, and none was stored since. Without
   * a message nobody knows, so a refusal is forgotten after a while.
   */
  get full(): readonly PartitionReason[] {
    const since = this.#now() - fullMs;
    return this.#lanes.flatMap(({ partition, full }) =>
      full === undefined || full.atMs < since ? [] : [{ partition, reason: full.reason }],
    );
  }

  /** Partitions whose last message was given up though the broker was connected; likewise. */
  get unanswered(): readonly number[] {
    const since = this.#now() - unansweredMs;
    return this.#lanes.flatMap(({ partition, unansweredAtMs = Number.NEGATIVE_INFINITY }) =>
      unansweredAtMs < since ? [] : [partition],
    );
  }

  append(payloads: readonly Payload[], keyDigests?: readonly string[]): Promise<void> {
    if (payloads.length === 0) return Promise.resolve();
    const lanes = payloads.map((payload) => this.#laneOf(payload));
    const refusal = this.#refusal(lanes);
    if (refusal !== undefined) return Promise.reject(new PayloadLogUnavailable(refusal));
    return new Promise((resolve, reject) => {
      const append = new PendingAppend(payloads.length, resolve, reject);
      const nowMs = this.#now();
      for (const [i, payload] of payloads.entries()) {
        const lane = lanes[i];
        if (lane !== undefined) this.#enqueue(lane, nowMs, payload, keyDigests?.[i], append);
      }
    });
  }

  appendOne(payload: Payload, keyDigest: string | undefined, waiter: AppendWaiter): void {
    const lane = this.#laneOf(payload);
    const refusal = this.#refusalOfAll(1) ?? this.#refusalOfLane(lane, 1);
    if (refusal !== undefined) waiter.failed(() => new PayloadLogUnavailable(refusal));
    else this.#enqueue(lane, this.#now(), payload, keyDigest, waiter);
  }

  /**
   * Refuses new payloads, waits until those under way are settled, or for `graceMs`, and lets go
   * of the connection. Idempotent.
   */
  stop(graceMs = 10_000): Promise<void> {
    this.#stopping ??= this.#sender.finish(graceMs);
    return this.#stopping;
  }

  #laneOf(payload: Payload): Lane {
    const lanes = this.#lanes;
    const lane = lanes[partitionOf(payload.customer, payload.content, lanes.length)];
    if (lane === undefined) throw new Error("a publisher needs at least one partition");
    return lane;
  }

  /**
   * Payloads are counted before anything is queued; bytes are known afterwards only, so an append
   * may go over their bounds by its own size, which the HTTP side bounds.
   */
  #refusal(lanes: readonly Lane[]): Reason | undefined {
    const added = new Map<Lane, number>();
    for (const lane of lanes) added.set(lane, (added.get(lane) ?? 0) + 1);
    let refusal = this.#refusalOfAll(lanes.length);
    for (const [lane, count] of added) refusal ??= this.#refusalOfLane(lane, count);
    return refusal;
  }

  #refusalOfAll(count: number): Reason | undefined {
    if (this.#stopping !== undefined) return "stopping";
    if (!this.link.connected) return "disconnected";
    const { payloads, bytes } = this.#sender;
    const { payloadsMax, bytesMax } = this.#limits;
    return payloads + count > payloadsMax || bytes >= bytesMax ? "overloaded" : undefined;
  }

  #refusalOfLane(lane: Lane, count: number): Reason | undefined {
    const { partitionPayloadsMax, partitionBytesMax } = this.#limits;
    const isFull = lane.payloads + count > partitionPayloadsMax || lane.bytes >= partitionBytesMax;
    return isFull ? "overloaded" : undefined;
  }

  #enqueue(
    lane: Lane,
    nowMs: number,
    payload: Payload,
    keyDigest: string | undefined,
    waiter: AppendWaiter,
  ): void {
    const message = lane.open(nowMs, this.#limits.messageBytesMax);
    const before = message.bytes;
    message.add(payload, keyDigest, waiter);
    this.#sender.queued(lane, message.bytes - before);
  }
}
