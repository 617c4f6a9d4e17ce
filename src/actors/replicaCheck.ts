/**
 * Notices a replica of a stream that holds other messages than its leader (docs/RELIABILITY.md:
 * an old leader that goes on by itself). A consumer may read such a replica, and what was
 * acknowledged by the leader would be missing.
 *
 * Publishers number their messages. A number that is left out belongs to a message that its
 * publisher gave up, or to one that this replica lacks. So when one is left out, the last messages
 * read are compared with the leader's.
 */
import type { Clock } from "./clock.ts";
import { type MessageIdentity, PartitionHalted, type PayloadStreams } from "./ports.ts";

interface ReplicaChecking {
  readonly partition: number;
  readonly streams: Pick<PayloadStreams, "state" | "message">;
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Aborted when the owner is to end. */
  readonly signal: AbortSignal;
}

/** What an old leader can have stored by itself lay in its sockets: a few messages a publisher. */
const comparedMax = 128;
const atOnce = 16;
/** In an outage publishers give up many messages; the owner reads on in between. */
const pauseMs = 200;
/** A new leader takes 4 to 9 s to be elected by nats-server 2.9, and a moment to answer. */
const patienceMs = 12_000;
const retryMs = 500;

export class ReplicaCheck {
  #recent: MessageIdentity[] = [];
  #gaps = 0;
  #comparedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly checking: ReplicaChecking) {}

  /**
   * A message was applied; `gaps` is how many numbers were left out so far.
   * @throws PartitionHalted when the leader holds other messages.
   */
  async applied({ sequence, time }: MessageIdentity, gaps: number): Promise<void> {
    this.#recent.push({ sequence, time });
    if (this.#recent.length > 2 * comparedMax) this.#recent = this.#recent.slice(-comparedMax);
    if (gaps === this.#gaps) return;
    this.#gaps = gaps;
    const { clock, signal } = this.checking;
    const restMs = this.#comparedAt + pauseMs - clock.monotonic();
    if (restMs > 0) await clock.sleep(restMs, signal);
    this.#comparedAt = clock.monotonic();
    const endsAt = clock.monotonic() + patienceMs;
    for (;;) {
      const isLast = clock.monotonic() >= endsAt;
      // What was read is not committed then, and the next owner reads it again.
      if (signal.aborted) throw new Error("stopped before the replicas were compared");
      try {
        await this.#compare(this.#recent.slice(-comparedMax), isLast);
        return;
      } catch (error) {
        if (error instanceof PartitionHalted || isLast) throw error;
        await clock.sleep(retryMs, signal);
      }
    }
  }

  /** @param isLast whether what the leader does not have yet counts as something it lacks. */
  async #compare(read: readonly MessageIdentity[], isLast: boolean): Promise<void> {
    const { partition, streams } = this.checking;
    for (let at = 0; at < read.length; at += atOnce) {
      const places = read.slice(at, at + atOnce);
      const held = await Promise.all(
        places.map(({ sequence }) => streams.message(partition, sequence)),
      );
      // Asked afterwards: what was trimmed meanwhile is no difference.
      const { firstSequence, lastSequence } = await streams.state(partition);
      const wrong = places.find(
        ({ sequence, time }, i) => sequence >= firstSequence && held[i]?.time !== time,
      );
      if (wrong === undefined) continue;
      if (wrong.sequence > lastSequence && !isLast) {
        throw new Error(`the leader has not applied message ${wrong.sequence} yet`);
      }
      throw new PartitionHalted(
        `the broker's replicas disagree: message ${wrong.sequence} is not the one that the ` +
          "stream's leader holds; what was read since the checkpoint is read again, and if that " +
          "does not help, the replica that differs has to be copied anew",
      );
    }
  }
}
