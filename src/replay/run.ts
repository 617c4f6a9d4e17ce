/**
 * Runs a partition's function again over the messages that its stream still holds. Nothing is
 * committed: what seals is handed to whoever asked.
 */
import { Partition } from "../actors/partition.ts";
import { emptyPartitionState } from "../actors/partitionState.ts";
import type { PayloadObserver } from "../actors/payloadObserver.ts";
import type { LogMessage } from "../actors/ports.ts";
import { TimeSlices } from "../actors/timeSlices.ts";
import type { ActorName } from "../domain/actorName.ts";
import type { DomainEvent } from "../domain/events.ts";
import { type Rules, tokenMemoryMs } from "../domain/rules.ts";
import { inTime } from "../inTime.ts";
import type { ReplayPlan } from "./plan.ts";
import { type Past, tokensOfPartition } from "./sources.ts";

interface ReplayRun {
  readonly plan: ReplayPlan;
  readonly rules: Rules;
  /** Who it is about: the tokens of others are not read, so their sessions come out wrong. */
  readonly actor?: ActorName;
  /** The events of a window, by name, when it ends with any. */
  sealed?(events: readonly DomainEvent[]): void | Promise<void>;
  /** Before a message is applied. */
  reading?(message: LogMessage): void;
  readonly observer?: PayloadObserver;
  /** Ends once every window that ends at or before this time is sealed. */
  readonly untilSealedMs?: number;
  /** Ends before the first message of a later stream time, or a later sequence. */
  readonly throughMs?: number;
  readonly throughSequence?: number;
}

const messagesAtOnce = 256;
/** Without any message for this long, a replay fails. */
const silenceMs = 15_000;

/** @returns the partition as it is after the last message that was applied. */
export async function runReplay(past: Past, run: ReplayRun): Promise<Partition> {
  const replay = new Replay(past, run);
  const { plan } = run;
  const last = Math.min(plan.lastSequence, run.throughSequence ?? Number.POSITIVE_INFINITY);
  if (plan.fromSequence <= last) {
    const feed = past.streams.feed(plan.partition, plan.fromSequence, async () => {});
    try {
      let going = true;
      while (going) {
        const messages = await inTime(
          feed.next(messagesAtOnce),
          silenceMs,
          () => new Error("the stream does not answer"),
        );
        const wanted = messages.filter(({ sequence }) => sequence <= last);
        const more = wanted.length > 0 && (wanted.at(-1)?.sequence ?? last) < last;
        going = (await replay.readAll(wanted)) && more;
      }
    } finally {
      await feed.stop();
    }
  }
  return replay.end();
}

class Replay {
  readonly #past: Past;
  readonly #run: ReplayRun;
  readonly #slices: TimeSlices;
  /** Reads the warm-up, for the sake of keys and numbers. Undefined when there is none. */
  readonly #warmUp: Partition | undefined;
  /** Undefined until the first message after the warm-up. */
  #partition: Partition | undefined;

  constructor(past: Past, run: ReplayRun) {
    this.#past = past;
    this.#run = run;
    this.#slices = new TimeSlices(past.clock);
    this.#warmUp = run.plan.start && new Partition(run.rules, run.plan.partition);
  }

  /** False when the replay is over. */
  async readAll(messages: readonly LogMessage[]): Promise<boolean> {
    for (const message of messages) {
      if (!(await this.#read(message))) return false;
      await this.#slices.pause();
    }
    return true;
  }

  async end(): Promise<Partition> {
    return this.#partition ?? (await this.#startingPartition());
  }

  async #read(message: LogMessage): Promise<boolean> {
    const run = this.#run;
    const { throughMs = Number.POSITIVE_INFINITY, untilSealedMs } = run;
    if (this.#partition === undefined && (await this.#isWarmUp(message))) return true;
    this.#partition ??= await this.#startingPartition(message.sequence);
    const partition = this.#partition;
    if (Math.max(message.timeMs, partition.timeMs) > throughMs) return false;
    if (partition.endsWindow(message.timeMs)) {
      const events = await this.#slices.run(partition.sealing(message.timeMs));
      if (events.length > 0) await run.sealed?.(events);
      partition.committed();
      if (untilSealedMs !== undefined && partition.sealedThroughMs >= untilSealedMs) return false;
    }
    run.reading?.(message);
    applyBounded(partition, message);
    return true;
  }

  /** Takes in what comes before the first boundary that is replayed; false when it has come. */
  async #isWarmUp(message: LogMessage): Promise<boolean> {
    const { start } = this.#run.plan;
    const warmUp = this.#warmUp;
    if (start === undefined || warmUp === undefined) return false;
    if (message.timeMs >= start.replayFromMs) return false;
    this.#run.reading?.(message);
    // What is left of the window before the warm-up comes first in the stream, and is passed over.
    if (message.timeMs < start.warmUpFromMs && warmUp.sequence === 0) return true;
    if (warmUp.sequence === 0) {
      await this.#slices.run(warmUp.restoring(message.sequence - 1, 0, emptyPartitionState));
    }
    if (warmUp.endsWindow(message.timeMs)) {
      await this.#slices.run(warmUp.sealing(message.timeMs));
      warmUp.committed();
    }
    applyBounded(warmUp, message);
    return true;
  }

  /** As a new owner would make it at the boundary where the replay begins. */
  async #startingPartition(firstSequence = 1): Promise<Partition> {
    const { plan, rules, observer, actor } = this.#run;
    const partition = new Partition(rules, plan.partition, observer);
    if (plan.start === undefined) return partition;
    const { replayFromMs } = plan.start;
    const { ledger, windows } = emptyPartitionState;
    const left = this.#warmUp && (await this.#slices.run(this.#warmUp.saving()));
    const state = { ...(left ?? emptyPartitionState), timeMs: replayFromMs, ledger, windows };
    await this.#slices.run(partition.restoring(firstSequence - 1, replayFromMs, state));
    const afterMs = replayFromMs - tokenMemoryMs(rules);
    const pages =
      actor === undefined
        ? tokensOfPartition(this.#past, plan.partition, afterMs, replayFromMs)
        : this.#past.history.tokensOf(actor, afterMs, replayFromMs);
    for await (const page of pages) {
      for (const remembered of page) {
        await this.#slices.run(partition.remembering(remembered));
      }
    }
    return partition;
  }
}

/** Owners commit what they quarantine when it is much; a replay keeps that of the last messages. */
function applyBounded(partition: Partition, message: LogMessage): void {
  if (partition.quarantineIsFull) partition.committed();
  partition.apply(message);
}
