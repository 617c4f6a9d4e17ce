/**
 * Drops the messages of a partition that were sealed long ago. Nothing that is not sealed is ever
 * dropped, whatever the clocks say: they only choose among what is.
 */
import type { WindowNumbers } from "../domain/events.ts";
import { timeMsMax } from "../domain/windows.ts";
import type { Log } from "../log.ts";
import type { Clock } from "./clock.ts";
import type { PartitionStore, PayloadStreams } from "./ports.ts";
import { firstAfter } from "./streamSearch.ts";

interface Trimming {
  readonly partition: number;
  readonly store: Pick<PartitionStore, "lastSealedSequence">;
  readonly streams: Pick<PayloadStreams, "state" | "message" | "purge">;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Log;
  /** How long sealed payloads stay in the stream, ms. */
  readonly rawRetentionMs: number;
}

/** The stream is trimmed at most this often. */
const trimMs = 30_000;
/** What no event names, mostly ticks, is small, and takes some twenty requests to find. */
const unnamedMs = 60 * 60_000;

export class Trimmer {
  #trimmedAt = Number.NEGATIVE_INFINITY;
  #unnamedAt = Number.NEGATIVE_INFINITY;
  /** Every message up to this one belongs to a window that is sealed. */
  #sealedSequence = 0;
  #trimmedTo = 0;
  #running = false;

  constructor(private readonly trimming: Trimming) {}

  /** A checkpoint after `sequence` was restored: what is not in its open windows is sealed. */
  restored(sequence: number, open: readonly WindowNumbers[]): void {
    this.#sealedSequence = open.reduce(
      (last, { payloads, firstSequence }) =>
        payloads > 0 ? Math.min(last, firstSequence - 1) : last,
      sequence,
    );
  }

  /** The windows up to a time are sealed; `sequence` is their last message. */
  sealed(sealedThroughMs: number, sequence: number): void {
    const { clock, rawRetentionMs } = this.trimming;
    this.#sealedSequence = sequence;
    if (this.#running || clock.monotonic() - this.#trimmedAt < trimMs) return;
    this.#trimmedAt = clock.monotonic();
    this.#trim(sealedThroughMs - rawRetentionMs);
  }

  /**
   * The stream takes no more, so its time stands still, and no window ends that could be trimmed
   * after. What was sealed longer ago than the retention by our clock goes at once.
   */
  makeRoom(): void {
    const { clock, rawRetentionMs } = this.trimming;
    this.#trim(clock.now() - rawRetentionMs);
  }

  /** A failure is harmless; it is tried again later. */
  #trim(beforeMs: number): void {
    if (this.#running) return;
    this.#running = true;
    this.#trimNow(beforeMs)
      .catch((error) => this.trimming.log.warn("the stream could not be trimmed", { error }))
      .finally(() => {
        this.#running = false;
      });
  }

  async #trimNow(beforeMs: number): Promise<void> {
    const { partition, store, streams } = this.trimming;
    // After a long downtime windows are sealed long after their ends: retention begins then.
    const named = await store.lastSealedSequence(partition, beforeMs, beforeMs);
    const sequence = Math.max(named, await this.#lastUnnamed(named, beforeMs));
    if (sequence <= this.#trimmedTo) return;
    await streams.purge(partition, sequence);
    this.#trimmedTo = sequence;
  }

  /**
   * Events name the sequences of payloads only. In a partition without traffic nothing follows the
   * ticks: when all that events name is old enough, the last message that is so is looked for.
   */
  async #lastUnnamed(named: number, beforeMs: number): Promise<number> {
    const { partition, store, streams, clock } = this.trimming;
    const isQuiet = named <= this.#trimmedTo;
    if (!isQuiet || clock.monotonic() - this.#unnamedAt < unnamedMs) return 0;
    this.#unnamedAt = clock.monotonic();
    // What was sealed since, or ends later, is named: it goes when its own time has come.
    if ((await store.lastSealedSequence(partition, timeMsMax, timeMsMax)) > named) return 0;
    const state = await streams.state(partition);
    const lastSequence = Math.min(state.lastSequence, this.#sealedSequence);
    if (lastSequence < state.firstSequence || beforeMs <= 0) return 0;
    const time = String(BigInt(Math.floor(beforeMs)) * 1_000_000n);
    return (await firstAfter(streams, partition, { ...state, lastSequence }, time)) - 1;
  }
}
