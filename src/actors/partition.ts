/**
 * A partition: the deterministic function `(state, message) -> (state', events)` that decides
 * every number. It knows no clock, no broker and no database; the same messages give the same
 * events, in whatever batches they are read.
 *
 * Its user reads the stream and, for each message, first asks `endsWindow`; when it does, calls
 * `seal`, commits the events, and calls `committed`. Then it calls `apply`.
 */

import { ByteSum } from "../domain/byteSum.ts";
import { hash32 } from "../domain/digest.ts";
import { decodeDigests, encodeDigests } from "../domain/digestCodec.ts";
import { DigestTable } from "../domain/digestTable.ts";
import { type Batch, decodeMessage, payloadWidth } from "../domain/envelope.ts";
import type { DomainEvent, Quarantined } from "../domain/events.ts";
import { isCount, isText } from "../domain/payload.ts";
import {
  generationOf,
  generationsRemembered,
  type Rules,
  startsSession,
  windowsKeyRemembered,
} from "../domain/rules.ts";
import { Tally } from "../domain/tally.ts";
import { windowIndexOf, windowStartMs } from "../domain/windows.ts";
import { ActorRegistry } from "./actorRegistry.ts";
import type { OpenWindowState, PartitionState } from "./partitionState.ts";
import type { LogMessage, RememberedTokens } from "./ports.ts";
import { PublisherMemory } from "./publisherMemory.ts";
import { messageText, storableText } from "./quarantineText.ts";
import type { WindowActor } from "./windowActor.ts";

export class Partition {
  readonly actors = new ActorRegistry();
  readonly #rules: Rules;
  readonly #tokens: DigestTable;
  readonly #keys = new DigestTable(windowsKeyRemembered);
  readonly #publishers = new PublisherMemory();
  /** Actors of the current window; sealed together at its end. */
  #open: WindowActor[] = [];
  #sealing: WindowActor[] = [];
  /** Actors that have payloads to deliver. */
  #touched: WindowActor[] = [];
  #quarantined: Quarantined[] = [];
  #sequence = 0;
  #timeMs = 0;
  #windowIndex = 0;
  #read = 0;
  #sealed = 0;
  #duplicates = 0;
  #quarantineCount = 0;

  constructor(rules: Rules) {
    this.#rules = rules;
    this.#tokens = new DigestTable(generationsRemembered(rules));
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
    return windowStartMs(this.#windowIndex, this.#rules.windowMs);
  }

  get windowIndex(): number {
    return this.#windowIndex;
  }

  get rememberedTokens(): number {
    return this.#tokens.size;
  }

  /** Payloads read so far, counted or not; grows with every payload. */
  get payloadsRead(): number {
    return this.#read;
  }

  get quarantined(): readonly Quarantined[] {
    return this.#quarantined;
  }

  /** True when stream time passes the end of the current window at a message of this time. */
  endsWindow(timeMs: number): boolean {
    return windowIndexOf(timeMs, this.#rules.windowMs) > this.#windowIndex;
  }

  /** Ends the current window at a message of this time; the events of its actors, in order. */
  seal(timeMs: number): DomainEvent[] {
    if (this.#sealing.length > 0) throw new Error("the last window was sealed but not committed");
    this.deliver();
    const ended = this.#windowIndex;
    const events: DomainEvent[] = [];
    // The order must not depend on what was alive before: events are ordered by name.
    for (const actor of this.#open.sort(byName)) {
      const event = actor.seal(ended, this.#rules.windowMs);
      if (event === undefined) continue;
      events.push(event);
      this.#sealing.push(actor);
      this.#sealed += event.data.payloads;
    }
    this.#open = [];
    this.#enterWindow(windowIndexOf(timeMs, this.#rules.windowMs));
    return events;
  }

  /** The events of the last `seal`, and everything quarantined until then, are committed. */
  committed(): void {
    for (const actor of this.#sealing) actor.committed();
    this.#sealing = [];
    this.#quarantined = [];
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
    const decoded = decodeMessage(message.data);
    if (decoded.kind === "batch") this.#applyBatch(decoded);
    if (decoded.kind === "unreadable") {
      this.#read++;
      this.#quarantine(-1, decoded.reason, messageText(message.data));
    }
  }

  /** Sends what was collected to the machines of its actors. */
  deliver(): void {
    for (const actor of this.#touched) actor.deliver();
    this.#touched = [];
  }

  /** @throws when a payload that was read is nowhere, or in two places (invariant I9). */
  assertConserved(): void {
    const open = this.#payloadsOpen();
    const found = this.#sealed + open + this.#duplicates + this.#quarantineCount;
    if (found === this.#read) return;
    throw new Error(
      `conservation broken: ${this.#read} payloads read, but ${this.#sealed} sealed + ${open} ` +
        `open + ${this.#duplicates} duplicates + ${this.#quarantineCount} quarantined`,
    );
  }

  /** The state for a checkpoint after the last message applied. */
  save(): PartitionState {
    this.deliver();
    return {
      v: 1,
      timeMs: this.#timeMs,
      ledger: {
        read: this.#read,
        sealed: this.#sealed,
        duplicates: this.#duplicates,
        quarantined: this.#quarantineCount,
      },
      windows: this.#open.map(saveWindow),
      publishers: this.#publishers.save(),
      keys: [...this.#keys.entries()].map(([window, halves]) => [window, encodeDigests(halves)]),
    };
  }

  /** Goes back to a checkpoint; to be called once, before anything else. */
  restore(sequence: number, sealedThroughMs: number, state: PartitionState): void {
    this.#sequence = sequence;
    this.#timeMs = state.timeMs;
    this.#enterWindow(windowIndexOf(sealedThroughMs, this.#rules.windowMs));
    this.#read = state.ledger.read;
    this.#sealed = state.ledger.sealed;
    this.#duplicates = state.ledger.duplicates;
    this.#quarantineCount = state.ledger.quarantined;
    this.#publishers.restore(state.publishers);
    for (const [window, digests] of state.keys) {
      decodeDigests(digests, (high, low) => this.#keys.restore(high, low, window));
    }
    for (const window of state.windows) {
      const actor = this.actors.activate(window.customer, window.content);
      actor.reopen(restoreTally(window));
      actor.lastWindow = this.#windowIndex;
      this.#open.push(actor);
      this.#remember(window.tokens, this.#windowIndex);
    }
  }

  /** Fills the memory of tokens from an event; to be called after `restore`. */
  remember(tokens: RememberedTokens): void {
    this.#remember(tokens.tokens, windowIndexOf(tokens.windowEndMs, this.#rules.windowMs) - 1);
  }

  #remember(tokens: string, windowIndex: number): void {
    const generation = generationOf(windowIndex, this.#rules);
    decodeDigests(tokens, (high, low) => this.#tokens.restore(high, low, generation));
  }

  #enterWindow(windowIndex: number): void {
    this.#windowIndex = windowIndex;
    this.#tokens.advance(generationOf(windowIndex, this.#rules));
    this.#keys.advance(windowIndex);
  }

  #applyBatch(batch: Batch): void {
    const repeated = !this.#publishers.advance(batch.publisher, batch.number, this.#timeMs);
    const actors = this.#resolve(batch.actors);
    const keys = keyDigests(batch.keys);
    const { payloads } = batch;
    const count = payloads.length / payloadWidth;
    this.#read += count;
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
        this.#quarantinePayload(index, "the payload is malformed", batch);
        continue;
      }
      const pending = actor.pending ?? this.#touch(actor);
      if (repeated || this.#keySeen(keys?.get(index))) {
        pending.duplicates++;
        this.#duplicates++;
      } else if (actor.fits(pending, cdn, p2p)) {
        this.#count(actor, pending, token, p2p, cdn, age);
      } else {
        this.#quarantinePayload(index, "the window's sum of bytes would leave int64", batch);
      }
    }
  }

  #count(
    actor: WindowActor,
    pending: Tally,
    token: string,
    p2p: number,
    cdn: number,
    sessionDurationMs: number,
  ): void {
    const high = hash32(token, actor.highSeed);
    const low = hash32(token, actor.lowSeed);
    const age = this.#tokens.touch(high, low);
    // A token seen before in this generation is in an event of it, or in this window, already.
    if (age !== 0) pending.tokens.push(high, low);
    if (startsSession(sessionDurationMs, age >= 0, cdn, p2p, this.#rules.windowMs)) {
      pending.sessions++;
    }
    pending.cdn.add(cdn);
    pending.p2p.add(p2p);
    if (pending.payloads === 0) pending.firstSequence = this.#sequence;
    pending.lastSequence = this.#sequence;
    pending.payloads++;
  }

  #touch(actor: WindowActor): Tally {
    if (actor.state === "idle") this.#open.push(actor);
    actor.lastWindow = this.#windowIndex;
    this.#touched.push(actor);
    return actor.collect();
  }

  /** The actors that a batch names; undefined where a name cannot be kept. */
  #resolve(names: readonly unknown[]): (WindowActor | undefined)[] {
    const actors: (WindowActor | undefined)[] = [];
    for (let i = 0; i < names.length; i += 2) {
      const [customer, content] = [names[i], names[i + 1]];
      const known =
        typeof customer === "string" && typeof content === "string"
          ? this.actors.find(customer, content)
          : undefined;
      const valid = known !== undefined || (isText(customer) && isText(content));
      actors.push(
        known ?? (valid ? this.actors.activate(String(customer), String(content)) : undefined),
      );
    }
    return actors;
  }

  #keySeen(key: KeyDigest | undefined): boolean {
    return key !== undefined && this.#keys.touch(key.high, key.low) >= 0;
  }

  #quarantinePayload(index: number, reason: string, batch: Batch): void {
    const at = index * payloadWidth;
    const payload = batch.payloads.slice(at, at + payloadWidth);
    const actor = Number(payload[0]) * 2;
    const found = JSON.stringify([
      batch.actors[actor],
      batch.actors[actor + 1],
      ...payload.slice(1),
    ]);
    this.#quarantine(index, reason, found);
  }

  #quarantine(index: number, reason: string, found: string): void {
    this.#quarantineCount++;
    this.#quarantined.push({ sequence: this.#sequence, index, reason, found: storableText(found) });
  }

  #payloadsOpen(): number {
    let payloads = 0;
    for (const actor of this.#open) {
      payloads += (actor.window?.payloads ?? 0) + (actor.pending?.payloads ?? 0);
    }
    return payloads;
  }
}

interface KeyDigest {
  readonly high: number;
  readonly low: number;
}

/** The digests of idempotency keys by the index of their payload; what is malformed is left out. */
function keyDigests(keys: readonly unknown[]): Map<unknown, KeyDigest> | undefined {
  if (keys.length === 0) return undefined;
  const digests = new Map<unknown, KeyDigest>();
  for (let i = 0; i < keys.length; i += 2) {
    const text = keys[i + 1];
    if (typeof text !== "string" || !/^[0-9a-f]{16}$/.test(text)) continue;
    const [high, low] = [text.slice(0, 8), text.slice(8)].map((half) => Number.parseInt(half, 16));
    digests.set(keys[i], { high: high ?? 0, low: low ?? 0 });
  }
  return digests;
}

function byName(a: WindowActor, b: WindowActor): number {
  return compare(a.customer, b.customer) || compare(a.content, b.content);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function saveWindow(actor: WindowActor): OpenWindowState {
  const tally = actor.window ?? new Tally();
  return {
    customer: actor.customer,
    content: actor.content,
    cdn: tally.cdn.value.toString(),
    p2p: tally.p2p.value.toString(),
    sessions: tally.sessions,
    payloads: tally.payloads,
    duplicates: tally.duplicates,
    firstSequence: tally.firstSequence,
    lastSequence: tally.lastSequence,
    tokens: encodeDigests(tally.tokens),
  };
}

function restoreTally(window: OpenWindowState): Tally {
  const tally = new Tally();
  tally.cdn = ByteSum.from(BigInt(window.cdn));
  tally.p2p = ByteSum.from(BigInt(window.p2p));
  tally.sessions = window.sessions;
  tally.payloads = window.payloads;
  tally.duplicates = window.duplicates;
  tally.firstSequence = window.firstSequence;
  tally.lastSequence = window.lastSequence;
  decodeDigests(window.tokens, (high, low) => tally.tokens.push(high, low));
  return tally;
}
