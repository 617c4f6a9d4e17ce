/**
 * A partition: the deterministic function `(state, message) -> (state', events)` that decides
 * every number. It knows no clock, no broker and no database; the same messages give the same
 * events, in whatever batches they are read.
 *
 * Its user reads the stream and, for each message, first asks `endsWindow`; when it does, calls
 * `seal`, commits the events, and calls `committed`. Then it calls `apply`.
 */
import { byName } from "../domain/actorName.ts";
import { hash32, partitionOf } from "../domain/digest.ts";
import { decodingDigests } from "../domain/digestCodec.ts";
import { DigestTable } from "../domain/digestTable.ts";
import { type Batch, decodeMessage, payloadWidth } from "../domain/envelope.ts";
import type { DomainEvent, Quarantined } from "../domain/events.ts";
import { atOnce, sorting } from "../domain/pausing.ts";
import { isCount } from "../domain/payload.ts";
import { messageText, payloadText } from "../domain/quarantineText.ts";
import { generationOf, generationsRemembered, type Rules, startsSession } from "../domain/rules.ts";
import type { Tally } from "../domain/tally.ts";
import { windowIndexOf, windowStartMs } from "../domain/windows.ts";
import { ActorRegistry, namesActor } from "./actorRegistry.ts";
import { IdempotencyKeys, readBatchKeys } from "./idempotencyKeys.ts";
import { Ledger } from "./ledger.ts";
import type { LedgerCounts, PartitionState } from "./partitionState.ts";
import type { PayloadObserver } from "./payloadObserver.ts";
import type { LogMessage, RememberedTokens } from "./ports.ts";
import { PublisherMemory } from "./publisherMemory.ts";
import { boundsOf, type WindowActor } from "./windowActor.ts";
import { restoreTally, savingWindows } from "./windowState.ts";

export class Partition {
  readonly actors: ActorRegistry;
  /** The tokens seen, by generations of windows (decision 0006). */
  readonly #tokens: DigestTable;
  readonly #keys: IdempotencyKeys;
  readonly #ledger = new Ledger();
  readonly #publishers = new PublisherMemory();
  /** The retries of what was quarantined; apart, so that they push no publisher out. */
  readonly #retries = new PublisherMemory();
  /** Actors of the current window; sealed together at its end. */
  #open: WindowActor[] = [];
  #sealing: WindowActor[] = [];
  #sequence = 0;
  #timeMs = 0;
  #windowIndex = 0;

  constructor(
    private readonly rules: Rules,
    number: number,
    private readonly observer?: PayloadObserver,
  ) {
    this.actors = new ActorRegistry(
      (customer, content) => partitionOf(customer, content, rules.partitions) === number,
    );
    this.#tokens = new DigestTable(generationsRemembered(rules));
    this.#keys = new IdempotencyKeys(rules.keyWindowMs ?? rules.windowMs);
  }

  /** Sequence of the last message applied. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Stream time, epoch ms. It never goes backwards. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Every window that ends at or before this time (epoch ms) is sealed. */
  get sealedThroughMs(): number {
    return windowStartMs(this.#windowIndex, this.rules.windowMs);
  }

  get windowIndex(): number {
    return this.#windowIndex;
  }

  get rememberedTokens(): number {
    return this.#tokens.size;
  }

  /** Payloads read so far, counted or not; grows with every payload. */
  get payloadsRead(): number {
    return this.#ledger.read;
  }

  /** How often a publisher's numbers left some out. */
  get publisherGaps(): number {
    return this.#publishers.gaps;
  }

  /** What became of the payloads read, but for those in open windows. */
  get counts(): LedgerCounts {
    return this.#ledger.counts;
  }

  get quarantined(): readonly Quarantined[] {
    return this.#ledger.toStore;
  }

  /** True when so much was quarantined since the last commit that it should be stored now. */
  get quarantineIsFull(): boolean {
    return this.#ledger.isFull;
  }

  /** True when stream time passes the end of the current window at a message of this time. */
  endsWindow(timeMs: number): boolean {
    return windowIndexOf(timeMs, this.rules.windowMs) > this.#windowIndex;
  }

  /** Ends the current window at a message of this time; the events of its actors, in order. */
  seal(timeMs: number): DomainEvent[] {
    return atOnce(this.sealing(timeMs));
  }

  /** Does what `seal` does, with a pause after each actor. Nothing may be applied meanwhile. */
  *sealing(timeMs: number): Generator<undefined, DomainEvent[]> {
    if (this.#sealing.length > 0) throw new Error("the last window was sealed but not committed");
    const bounds = boundsOf(this.#windowIndex, this.rules.windowMs);
    const events: DomainEvent[] = [];
    let payloads = 0;
    // The order must not depend on what was alive before: events are ordered by name.
    for (const actor of yield* sorting(this.#open, byName)) {
      const event = actor.seal(bounds);
      yield;
      if (event === undefined) continue;
      events.push(event);
      this.#sealing.push(actor);
      payloads += event.data.payloads;
    }
    this.#ledger.sealed += payloads;
    this.#open = [];
    this.#enterWindow(windowIndexOf(timeMs, this.rules.windowMs));
    return events;
  }

  /** The events of the last `seal`, and everything quarantined until then, are committed. */
  committed(): void {
    for (const actor of this.#sealing) actor.committed();
    this.#sealing = [];
    this.#ledger.stored();
    this.actors.passivate(this.#windowIndex);
  }

  /** Applies the next message. The window it ends must have been sealed and committed. */
  apply(message: LogMessage): void {
    if (message.sequence !== this.#sequence + 1) {
      throw new Error(`sequence ${message.sequence} read after ${this.#sequence}`);
    }
    if (this.endsWindow(message.timeMs) || this.#sealing.length > 0) {
      throw new Error(`message ${message.sequence} applied before its window was opened`);
    }
    this.#sequence = message.sequence;
    this.#timeMs = Math.max(this.#timeMs, message.timeMs);
    this.#keys.enter(this.#timeMs);
    const decoded = decodeMessage(message.data);
    if (decoded.kind === "batch") this.#applyBatch(decoded);
    if (decoded.kind === "unreadable") {
      this.#ledger.read++;
      this.#ledger.quarantine(this.#sequence, -1, decoded.reason, () => messageText(message.data));
    }
  }

  /** @throws when a payload that was read is nowhere, or in two places (invariant I9). */
  assertConserved(): void {
    const open = this.#open.reduce((sum, { window }) => sum + (window?.payloads ?? 0), 0);
    this.#ledger.assertConserved(open);
  }

  /** The state for a checkpoint after the last message applied. */
  save(): PartitionState {
    return atOnce(this.saving());
  }

  /** Does what `save` does, with a pause after each actor. Nothing may be applied meanwhile. */
  *saving(): Generator<undefined, PartitionState> {
    const windows = yield* savingWindows(this.#open);
    const keys = yield* this.#keys.saving();
    return {
      v: 1,
      timeMs: this.#timeMs,
      ledger: this.#ledger.counts,
      windows,
      publishers: this.#publishers.save(),
      retries: this.#retries.save(),
      keys,
    };
  }

  /** Goes back to a checkpoint, with pauses; to be done once, before anything else. */
  *restoring(
    sequence: number,
    sealedThroughMs: number,
    state: PartitionState,
  ): Generator<undefined, void> {
    this.#sequence = sequence;
    this.#timeMs = state.timeMs;
    this.#enterWindow(windowIndexOf(sealedThroughMs, this.rules.windowMs));
    this.#ledger.restore(state.ledger);
    this.#keys.enter(sealedThroughMs);
    this.#publishers.restore(state.publishers);
    this.#retries.restore(state.retries ?? []);
    yield* this.#keys.restoring(state.keys);
    for (const window of state.windows) {
      const actor = this.actors.activate(window.customer, window.content);
      const tally = restoreTally(window);
      yield* this.#remembering(window.tokens, this.#windowIndex, tally.tokens);
      this.#openWindow(actor, tally);
    }
  }

  /** Fills the memory of tokens from an event, with pauses; to be done right after `restoring`. */
  remembering({ tokens, windowEndMs }: RememberedTokens): Generator<undefined, void> {
    const windowIndex = windowIndexOf(windowEndMs - 1, this.rules.windowMs);
    return this.#remembering(tokens, windowIndex);
  }

  /** @param list to which the halves of each digest are added as well. */
  #remembering(digests: string, windowIndex: number, list?: number[]): Generator<undefined, void> {
    const generation = generationOf(windowIndex, this.rules);
    return decodingDigests(digests, (high, low) => {
      this.#tokens.restore(high, low, generation);
      list?.push(high, low);
    });
  }

  #enterWindow(windowIndex: number): void {
    this.#windowIndex = windowIndex;
    this.#tokens.advance(generationOf(windowIndex, this.rules));
  }

  #applyBatch(batch: Batch): void {
    const fresh =
      batch.retry === undefined
        ? this.#publishers.advance(batch.publisher, batch.number, this.#timeMs)
        : this.#retries.advance(batch.retry, 1, this.#timeMs);
    const actors = this.actors.resolve(batch.actors);
    const keys = readBatchKeys(batch.keys);
    const { payloads } = batch;
    const count = payloads.length / payloadWidth;
    this.#ledger.read += count;
    for (let index = 0, at = 0; index < count; index++, at += payloadWidth) {
      const actorIndex = payloads[at];
      const actor = typeof actorIndex === "number" ? actors[actorIndex] : undefined;
      const token = payloads[at + 1];
      const p2p = payloads[at + 3];
      const cdn = payloads[at + 4];
      const age = payloads[at + 5];
      const readable =
        actor !== undefined &&
        typeof token === "string" &&
        token !== "" &&
        isCount(payloads[at + 2]) &&
        isCount(p2p) &&
        isCount(cdn) &&
        isCount(age);
      if (!readable) {
        const isForeign = actor === undefined && namesActor(batch.actors, actorIndex);
        const reason = isForeign ? "the actor is of another partition" : "the payload is malformed";
        this.#quarantinePayload(index, reason, batch);
        continue;
      }
      const window = actor.window ?? this.#openWindow(actor);
      if (!fresh || this.#keys.repeated(keys, index)) {
        window.duplicates++;
        this.#ledger.duplicates++;
        this.observer?.duplicate(index, actor);
      } else if (window.fits(cdn, p2p)) {
        const starts = this.#count(actor, window, token, p2p, cdn, age);
        this.observer?.counted(index, actor, starts);
      } else {
        this.#quarantinePayload(index, "the window's sum of bytes would leave int64", batch);
      }
    }
  }

  /** Adds a payload to its window; true when it starts a session. */
  #count(
    actor: WindowActor,
    window: Tally,
    token: string,
    p2p: number,
    cdn: number,
    sessionDurationMs: number,
  ): boolean {
    const high = hash32(token, actor.highSeed);
    const low = hash32(token, actor.lowSeed);
    const age = this.#tokens.touch(high, low);
    // A token seen before in this generation is in an event of it, or in this window, already.
    if (age !== 0) window.tokens.push(high, low);
    const starts = startsSession(sessionDurationMs, age >= 0, cdn, p2p, this.rules);
    if (starts) window.sessions++;
    window.cdn.add(cdn);
    window.p2p.add(p2p);
    if (window.payloads === 0) window.firstSequence = this.#sequence;
    window.lastSequence = this.#sequence;
    window.payloads++;
    return starts;
  }

  #openWindow(actor: WindowActor, tally?: Tally): Tally {
    this.#open.push(actor);
    return actor.open(this.#windowIndex, tally);
  }

  #quarantinePayload(index: number, reason: string, batch: Batch): void {
    this.#ledger.quarantine(this.#sequence, index, reason, (charsMax) =>
      payloadText(batch, index, charsMax),
    );
  }
}
