/** Whether a stream still goes on from where a feed is. */
import { type MessageIdentity, PayloadGap } from "../actors/ports.ts";
import type { NatsLink } from "./connection.ts";
import { streamName } from "./names.ts";
import { findMessage, stateOf } from "./streamState.ts";

/** How often a stream may seem to end too early before that is believed. */
const shortMax = 5;

export class Continuity {
  /** The creation time of the stream that the feed began with. */
  #created: string | undefined;
  /** How often in a row the stream seemed to end too early. */
  #shorts = 0;
  /** A sequence that a consumer gave instead of the expected one. */
  #early: number | undefined;

  constructor(
    private readonly link: NatsLink,
    private readonly partition: number,
  ) {}

  /** A consumer skipped to this sequence: the next check looks for what it left out. */
  skippedTo(sequence: number): void {
    this.#early = sequence;
  }

  /**
   * Undefined when the stream is the one it was, and holds `expected` or will give it next. Without
   * this a consumer on a shortened or re-created stream would wait in silence.
   * @param last what was received last: a stream with another time of creation that holds it is the
   *   same one, and was edited (see actors/streamIdentity.ts).
   * @throws when that cannot be told now.
   */
  async findGap(expected: number, last?: MessageIdentity): Promise<PayloadGap | undefined> {
    const info = await this.link.manager.streams.info(streamName(this.partition));
    const { created, firstSequence, lastSequence } = stateOf(info);
    this.#created ??= created;
    if (created !== this.#created && last !== undefined) {
      const held = await findMessage(this.link, this.partition, last.sequence);
      if (held?.time !== last.time) return this.#gap(expected, 0);
    }
    this.#created = created;
    if (firstSequence > expected) return this.#gap(expected, firstSequence);
    if (lastSequence + 1 < expected) {
      // The new leader of a replicated stream may not have applied all of it yet.
      if (++this.#shorts < shortMax) throw this.#gap(expected, lastSequence + 1);
      return this.#gap(expected, lastSequence + 1);
    }
    this.#shorts = 0;
    const early = this.#early;
    this.#early = undefined;
    if (early === undefined || early <= expected) return undefined;
    const held = await findMessage(this.link, this.partition, expected);
    return held === undefined ? this.#gap(expected, early) : undefined;
  }

  #gap(expected: number, found: number): PayloadGap {
    return new PayloadGap(this.partition, expected, found);
  }
}
