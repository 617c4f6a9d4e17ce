/**
 * The owner of a partition: reads its stream from the checkpoint on, lets `Partition` decide, and
 * commits. Everything that can fail for a while (Postgres, NATS) is waited for; what must not be
 * passed over (another owner, another stream) ends the owner.
 *
 *   load ─▶ verify stream ─▶ restore ─▶ read ─▶ apply ─▶ … boundary: seal ─▶ commit ─▶ apply …
 */
import { backoffMs } from "../domain/backoff.ts";
import type { DomainEvent } from "../domain/events.ts";
import { tokenMemoryMs } from "../domain/rules.ts";
import { errorMessage, type Log } from "../log.ts";
import { CheckpointPace } from "./checkpointing.ts";
import type { OwnerContext, OwnerEnd } from "./ownerContext.ts";
import { Partition } from "./partition.ts";
import { readPartitionState } from "./partitionState.ts";
import type { Checkpoint, LogMessage, Ownership, PayloadFeed, VerifyStream } from "./ports.ts";
import { CommitRejected, PartitionHalted, PayloadGap } from "./ports.ts";
import { ReplicaCheck } from "./replicaCheck.ts";
import { verifyStream } from "./streamIdentity.ts";
import { keepTicking } from "./ticker.ts";
import { TimeSlices } from "./timeSlices.ts";
import { Trimmer } from "./trimmer.ts";

/** Messages taken from the feed at a time. */
const messagesAtOnce = 256;

class Fenced extends Error {}

export class PartitionOwner {
  readonly partition: number;
  readonly epoch: number;
  readonly done: Promise<OwnerEnd>;
  readonly #context: OwnerContext;
  readonly #log: Log;
  readonly #abort = new AbortController();
  #state: Partition;
  readonly #slices: TimeSlices;
  /** The open windows are more than a checkpoint can hold. At their boundary they are events. */
  #isTooLarge = false;
  #feed: PayloadFeed | undefined;
  #streamCreated = "";
  /** Time of the last message applied; with its sequence it tells the stream from another. */
  #messageTime = "";
  #committed: Checkpoint | undefined;
  readonly #pace: CheckpointPace;
  #wasStopped = false;
  readonly #trimmer: Trimmer;
  readonly #replicas: ReplicaCheck;
  #noRoom: { readonly reason: string; readonly atMs: number } | undefined;
  /** Wakes the ticker, which is the only one that waits for progress. */
  #progressed: () => void = () => {};
  #waitingForMessages = false;

  constructor(context: OwnerContext, ownership: Ownership) {
    this.partition = ownership.partition;
    this.epoch = ownership.epoch;
    this.#context = context;
    this.#log = context.log.with({ partition: ownership.partition, epoch: ownership.epoch });
    this.#state = new Partition(context.rules, ownership.partition);
    this.#slices = new TimeSlices(context.clock);
    const { partition } = this;
    this.#pace = new CheckpointPace(partition, context.clock);
    this.#trimmer = new Trimmer({ ...context, partition, log: this.#log });
    this.#replicas = new ReplicaCheck({ ...context, partition, signal: this.#abort.signal });
    this.done = this.#run();
  }

  /** How far it is. */
  get state(): Partition {
    return this.#state;
  }

  /** True from the moment the checkpoint is restored. */
  get ready(): boolean {
    return this.#feed !== undefined;
  }

  /** True when it was started although it was noted that the partition is stopped. */
  get wasStopped(): boolean {
    return this.#wasStopped;
  }

  /** Why the stream takes no more messages; undefined when it does. */
  get full(): string | undefined {
    return this.#noRoom?.reason;
  }

  /** Ends the owner after what it is doing now; with a last checkpoint unless it ended already. */
  async stop(): Promise<OwnerEnd> {
    this.#abort.abort();
    await this.#feed?.stop();
    return this.done;
  }

  async #run(): Promise<OwnerEnd> {
    let ticking: Promise<void> | undefined;
    try {
      const feed = await this.#start();
      ticking = keepTicking({
        ...this.#context,
        windowMs: this.#context.rules.windowMs,
        partition: this.partition,
        log: this.#log,
        progress: () => ({ sequence: this.#state.sequence, timeMs: this.#state.timeMs }),
        changed: () =>
          new Promise((resolve) => {
            this.#progressed = resolve;
          }),
        restartFeed: () => feed.restart(),
        waiting: () => this.#waitingForMessages,
        full: (reason) => this.#full(reason),
        signal: this.#abort.signal,
      });
      if (this.#hasUnnotedStream()) await this.#commit();
      await this.#read(feed);
      // Of a stream of which nothing was read there is nothing to know it by later.
      if (this.#state.sequence > 0) await this.#commit();
      return { kind: "stopped" };
    } catch (error) {
      return this.#ended(error);
    } finally {
      this.#abort.abort();
      this.#progressed();
      await this.#feed?.stop();
      await ticking;
    }
  }

  #ended(error: unknown): OwnerEnd {
    if (error instanceof Fenced) {
      this.#log.warn("a late commit was refused, the partition has another owner");
      return { kind: "fenced" };
    }
    if (error instanceof PartitionHalted || error instanceof PayloadGap) {
      this.#log.error("partition stopped", { error });
      return { kind: "halted", reason: errorMessage(error) };
    }
    if (this.#abort.signal.aborted) return { kind: "stopped" };
    this.#log.error("partition owner failed", { error });
    return { kind: "failed", reason: errorMessage(error) };
  }

  async #start(): Promise<PayloadFeed> {
    const { store, streams, rules } = this.#context;
    const checkpoint = await store.load(this.partition);
    this.#wasStopped = checkpoint.isStopped;
    this.#streamCreated = checkpoint.streamCreated;
    this.#messageTime = checkpoint.messageTime;
    const verify: VerifyStream = async (last) => {
      const place = {
        streamCreated: this.#streamCreated,
        sequence: last?.sequence ?? checkpoint.sequence,
        messageTime: last?.time ?? checkpoint.messageTime,
      };
      this.#streamCreated = await verifyStream(streams, this.partition, place);
    };
    // First, since what follows reads a day of tokens, for nothing where the stream is another.
    await verify();
    if (checkpoint.state !== undefined) {
      const state = readPartitionState(checkpoint.state);
      const { sequence, sealedThroughMs } = checkpoint;
      await this.#slices.run(this.#state.restoring(sequence, sealedThroughMs, state));
      this.#trimmer.restored(sequence, state.windows);
    }
    this.#committed = checkpoint;
    this.#pace.committed(this.#state.payloadsRead);
    const afterMs = checkpoint.sealedThroughMs - tokenMemoryMs(rules);
    const pages = store.rememberedTokens(this.partition, afterMs);
    for await (const page of pages) {
      for (const tokens of page) {
        await this.#slices.run(this.#state.remembering(tokens));
      }
      if (this.#abort.signal.aborted) break;
    }
    // Whoever stopped it meanwhile found no feed to stop.
    if (this.#abort.signal.aborted) throw new Error("stopped while starting");
    this.#feed = streams.feed(this.partition, this.#state.sequence + 1, verify);
    this.#log.debug("partition started", { sequence: this.#state.sequence });
    return this.#feed;
  }

  async #read(feed: PayloadFeed): Promise<void> {
    for (;;) {
      this.#waitingForMessages = true;
      const messages = await feed.next(messagesAtOnce).catch((error) => this.#keep(error));
      this.#waitingForMessages = false;
      if (messages.length === 0) return;
      for (const message of messages) {
        if (this.#abort.signal.aborted) return;
        await this.#apply(message);
        if (this.#state.quarantineIsFull) await this.#commit();
        await this.#slices.pause();
      }
      this.#progressed();
      if (this.#checkpointDue()) await this.#commit();
    }
  }

  /** What was read before the stream broke off may be in no stream any more: it is committed. */
  async #keep(error: unknown): Promise<never> {
    const isOver = error instanceof PartitionHalted || error instanceof PayloadGap;
    const hasNews = this.#state.sequence !== this.#committed?.sequence;
    if (isOver && hasNews) await this.#commit();
    throw error;
  }

  async #apply(message: LogMessage): Promise<void> {
    if (this.#state.endsWindow(message.timeMs)) {
      const events = await this.#context.turns.run(this.#state.sealing(message.timeMs));
      await this.#commit(events);
      this.#trimmer.sealed(this.#state.sealedThroughMs, this.#state.sequence);
    }
    this.#state.apply(message);
    this.#messageTime = message.time;
    if (this.#noRoom !== undefined && message.timeMs > this.#noRoom.atMs) this.#full(undefined);
    await this.#replicas.applied(message, this.#state.publisherGaps);
  }

  /** True until a checkpoint names the stream that is read, by its time of creation. */
  #hasUnnotedStream(): boolean {
    return this.#state.sequence > 0 && this.#streamCreated !== this.#committed?.streamCreated;
  }

  #checkpointDue(): boolean {
    if (this.#isTooLarge) return false;
    return this.#hasUnnotedStream() || this.#pace.isDue(this.#state.payloadsRead);
  }

  /**
   * Writes the checkpoint and what a boundary has sealed, however long it takes, as long as the
   * epoch is ours.
   * @param sealed undefined between boundaries; empty where nothing was there to be sealed.
   */
  async #commit(sealed?: readonly DomainEvent[]): Promise<void> {
    const { store, clock, turns, workerId } = this.#context;
    const before = this.#committed;
    if (before === undefined) throw new Error("a commit before the checkpoint was loaded");
    this.#state.assertConserved();
    // At a boundary no window is open: what there is to save need not wait for a turn.
    const saving = this.#state.saving();
    const saved = await (sealed ? this.#slices.run(saving) : turns.run(saving));
    const events = sealed ?? [];
    const checkpoint: Checkpoint = {
      streamCreated: this.#streamCreated,
      sequence: this.#state.sequence,
      messageTime: this.#messageTime,
      position: before.position + events.length,
      sealedThroughMs: this.#state.sealedThroughMs,
      state: saved,
    };
    for (let failures = 0; ; failures++) {
      try {
        const outcome = await store.commit({
          partition: this.partition,
          epoch: this.epoch,
          owner: workerId,
          expectedSequence: before.sequence,
          expectedPosition: before.position,
          checkpoint,
          events,
          quarantined: this.#state.quarantined,
        });
        if (outcome === "fenced") throw new Fenced(`epoch ${this.epoch} is over`);
        if (outcome === "conflict") await this.#assertAlreadyCommitted(checkpoint);
        break;
      } catch (error) {
        // The outcome is unknown; trying again finds it out. A stopping owner tries once more.
        const giveUp = this.#abort.signal.aborted && failures > 0;
        if (error instanceof Fenced || error instanceof PartitionHalted || giveUp) throw error;
        if (error instanceof CommitRejected) {
          if (sealed === undefined && !this.#state.quarantineIsFull) {
            this.#isTooLarge = true;
            this.#log.warn("a checkpoint is refused, the next one is at the boundary", { error });
            return;
          }
          throw new PartitionHalted(error.message);
        }
        if (failures === 0) this.#log.warn("commit failed, trying again", { error });
        await clock.sleep(backoffMs(failures, 50, 2_000), this.#abort.signal);
      }
    }
    this.#isTooLarge = false;
    this.#committed = { ...checkpoint, state: undefined };
    this.#pace.committed(this.#state.payloadsRead, saved);
    this.#state.committed();
  }

  /** A conflict under our own epoch is our own commit, whose answer was lost; or a bug. */
  async #assertAlreadyCommitted(expected: Checkpoint): Promise<void> {
    const found = await this.#context.store.load(this.partition);
    if (found.sequence === expected.sequence && found.position === expected.position) return;
    throw new PartitionHalted(
      `the checkpoint is at sequence ${found.sequence} and position ${found.position}, where ` +
        `${expected.sequence} and ${expected.position} were committed: it was changed by hand`,
    );
  }

  #full(reason: string | undefined): void {
    const isNews = (reason === undefined) !== (this.#noRoom === undefined);
    this.#noRoom = reason === undefined ? undefined : { reason, atMs: this.#context.clock.now() };
    if (reason !== undefined) this.#trimmer.makeRoom();
    if (!isNews) return;
    if (reason === undefined) this.#log.info("the stream takes messages again");
    else this.#log.error("the stream takes no more messages, not even a tick", { reason });
  }
}
