/**
 * Decisions on what was quarantined. Rows are never removed, so that the ledger stays balanced:
 * what is retried is read a second time, as a message of its own, and counts as such.
 *
 * A retry takes effect once. It is claimed before it is published; when its outcome stays unknown
 * it may be claimed again, and then the partition's owner takes the second message for a repeat,
 * because a retry goes by a name.
 */
import { decodeMessage, encodeFound, encodeRetry, nameOfRetry } from "../domain/envelope.ts";
import { foundMax, messageText, payloadText, storableText } from "../domain/quarantineText.ts";
import { formatPlace, type QuarantinePlace } from "../domain/receipt.ts";
import type {
  DiscardOutcome,
  QuarantineControl,
  QuarantineQuery,
  QuarantineRow,
  QuarantineStore,
  RetryLog,
  RetryOutcome,
} from "./operatorPorts.ts";
import type { PayloadStreams } from "./ports.ts";

export class QuarantineDesk implements QuarantineControl {
  constructor(
    private readonly streams: Pick<PayloadStreams, "message">,
    private readonly store: QuarantineStore,
    private readonly retryLog: RetryLog,
  ) {}

  list(query: QuarantineQuery): Promise<readonly QuarantineRow[]> {
    return this.store.list(query);
  }

  find(place: QuarantinePlace): Promise<QuarantineRow | undefined> {
    return this.store.find(place);
  }

  async retry(place: QuarantinePlace, by: string): Promise<RetryOutcome> {
    const row = await this.store.find(place);
    if (row === undefined) return { kind: "unknown" };
    if (row.state === "retried") return { kind: "already" };
    if (row.state === "discarded") return { kind: "discarded" };
    const message = await this.#messageOf(row);
    if (message === undefined) return { kind: "lost" };
    const { partition, index } = row.place;
    const text = encodeRetry(retryName(row.place, message), message);
    // A row is claimed for what can be published only: nothing leads back from a claim to `held`.
    if (!this.retryLog.takes(text)) return { kind: "oversized" };
    const claim = await this.store.claim(row.id, by);
    if (claim === "retried") return { kind: "already" };
    if (claim !== "claimed") return { kind: claim };
    const sequence = await this.retryLog.publish(partition, text);
    // The payload of a retry stands alone in its message.
    const again = { partition, sequence, index: Math.min(index, 0), incarnation: undefined };
    const retriedAs = formatPlace(again);
    await this.store.retried(row.id, retriedAs);
    return { kind: "retried", retriedAs };
  }

  async discard(place: QuarantinePlace, by: string): Promise<DiscardOutcome> {
    const row = await this.store.find(place);
    if (row === undefined) return "unknown";
    return (await this.store.discard(row.id, by)) ? "discarded" : "conflict";
  }

  /** What to publish; undefined when it is not known byte for byte. */
  async #messageOf(row: QuarantineRow): Promise<Uint8Array | undefined> {
    const { place, found } = row;
    if (place.index >= 0) return encodeFound(found) ?? (await this.#payloadOf(row));
    const held = await this.streams.message(place.partition, place.sequence);
    // After an accepted loss another message may stand under this sequence.
    if (held !== undefined && storableText(messageText(held.data)) === found) return held.data;
    const isWhole = Buffer.byteLength(found) < foundMax && !found.includes("\uFFFD");
    return isWhole ? new TextEncoder().encode(found) : undefined;
  }

  /** A payload of which less was kept than there is, out of its message. */
  async #payloadOf({ place, found }: QuarantineRow): Promise<Uint8Array | undefined> {
    const held = await this.streams.message(place.partition, place.sequence);
    // After an accepted loss another message may stand under this sequence, and little tells them
    // apart.
    if (place.incarnation !== (await this.store.incarnation(place.partition))) return undefined;
    const batch = held && decodeMessage(held.data);
    if (batch?.kind !== "batch") return undefined;
    const text = payloadText(batch, place.index);
    return storableText(text.slice(0, found.length)) === found ? encodeFound(text) : undefined;
  }
}

/**
 * What a retry counts under, once: for a payload the place that it comes from. A whole message may
 * have been stored, and quarantined, more than once, when its publisher got no answer: its copies
 * are equal.
 */
function retryName(place: QuarantinePlace, message: Uint8Array): string {
  if (place.index >= 0) return formatPlace(place);
  return nameOfRetry(message) ?? new Bun.CryptoHasher("sha256").update(message).digest("hex");
}
