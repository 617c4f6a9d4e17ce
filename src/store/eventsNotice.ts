/**
 * Tells the projectors of all processes that there is something to project. It is a hint: they also
 * look every second.
 *
 * It is not a part of the commit that it tells of. Of all transactions that notify, Postgres lets
 * one commit at a time, each with a flush to the disk of its own: at a boundary of 1,024 partitions
 * commits took five times as long.
 */
import type { Commit } from "../actors/ports.ts";

/** The channel that tells projectors of new events. */
export const eventsChannel = "payload_stats_events";

export class EventsNotice {
  /** By partition, as of its last commit here. */
  readonly #sealedThroughMs = new Map<number, number>();
  #isWanted = false;
  #isRunning = false;

  /** @param send notifies those who listen to `eventsChannel`. */
  constructor(private readonly send: () => Promise<unknown>) {}

  /** A checkpoint between boundaries is nothing to projectors. */
  committed({ partition, checkpoint, events }: Commit): void {
    const { sealedThroughMs } = checkpoint;
    const hasSealed = this.#sealedThroughMs.get(partition) !== sealedThroughMs;
    this.#sealedThroughMs.set(partition, sealedThroughMs);
    if (events.length === 0 && !hasSealed) return;
    this.#isWanted = true;
    if (!this.#isRunning) void this.#notify();
  }

  /** One at a time: what is committed meanwhile is told of by the next one. */
  async #notify(): Promise<void> {
    this.#isRunning = true;
    while (this.#isWanted) {
      this.#isWanted = false;
      // If that fails, projectors find out by themselves.
      await this.send().catch(() => {});
    }
    this.#isRunning = false;
  }
}
