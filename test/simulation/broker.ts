/**
 * The broker: one stream for each partition, with sequences and log-append times of its own clock,
 * which may step. It keeps what was dropped from its streams too, so that a run can be checked
 * against everything that was ever stored.
 */
import type { LogMessage, StreamState } from "../../src/actors/ports.ts";
import type { NaiveMessage } from "../support/naiveModel.ts";
import type { Audit } from "./audit.ts";
import type { Reachability } from "./network.ts";

/** What a message is about, in the form of the naive model and of the checks. */
interface Meaning {
  readonly publisher: string;
  readonly number: number;
  readonly payloads: NaiveMessage["payloads"];
  /** The payloads that the device sent, by their ids. */
  readonly sent: readonly number[];
  /** How many things the message holds that must end in quarantine. */
  readonly poison: number;
}

export interface StoredMessage extends LogMessage {
  readonly meaning: Meaning;
}

/** Told of every message stored, and of the loss of its connection. */
export interface StreamListener {
  stored(): void;
  lost(): void;
}

export type StreamRequest = "tick" | "state" | "message";

export type Damage = "recreated" | "restored" | "truncated";

/** What the stream held up to some damage. The last one is what it holds now. */
export interface Incarnation {
  readonly created: string;
  /** From sequence 1 on, also what was dropped since. */
  readonly messages: StoredMessage[];
}

const encoder = new TextEncoder();

export class Stream {
  readonly incarnations: Incarnation[] = [{ created: "created 1", messages: [] }];
  readonly listeners = new Set<StreamListener>();
  damage: Damage | undefined;
  #onRequest: { readonly request: StreamRequest; readonly act: () => void } | undefined;
  #firstSequence = 1;
  #stored = 0;

  get current(): Incarnation {
    const last = this.incarnations.at(-1);
    if (last === undefined) throw new Error("a stream has at least one incarnation");
    return last;
  }

  get state(): StreamState {
    const { created, messages } = this.current;
    return { created, firstSequence: this.#firstSequence, lastSequence: messages.length };
  }

  message(sequence: number): StoredMessage | undefined {
    return sequence < this.#firstSequence ? undefined : this.current.messages[sequence - 1];
  }

  append(timeMs: number, text: string, meaning: Meaning): number {
    const { messages } = this.current;
    // No two messages have the same nanosecond, over all incarnations.
    const nanos = String(this.#stored++ % 1_000_000).padStart(6, "0");
    const sequence = messages.length + 1;
    const time = `${Math.floor(timeMs)}${nanos}`;
    const data = encoder.encode(text);
    messages.push({ sequence, timeMs: Math.floor(timeMs), time, data, meaning });
    for (const listener of [...this.listeners]) listener.stored();
    return sequence;
  }

  /** Drops the messages up to and including `sequence`. */
  purge(sequence: number): void {
    const last = this.current.messages.length;
    this.#firstSequence = Math.max(this.#firstSequence, Math.min(sequence, last) + 1);
  }

  /** Something is to happen right after the next request of a kind has taken effect. */
  afterNext(request: StreamRequest, act: () => void): void {
    this.#onRequest = { request, act };
  }

  served(request: StreamRequest): void {
    const plan = this.#onRequest;
    if (plan?.request !== request) return;
    this.#onRequest = undefined;
    plan.act();
  }

  /** The broker's data is damaged, and every consumer with it. `part` says how much of it. */
  damaged(damage: Damage, part: number): void {
    this.damage = damage;
    const { created, messages } = this.current;
    const held = messages.length - this.#firstSequence + 1;
    const cut = Math.min(held, Math.max(1, Math.ceil(held * part)));
    if (damage === "truncated") this.#firstSequence += cut;
    if (damage === "restored") {
      this.incarnations.push({ created, messages: messages.slice(0, messages.length - cut) });
    }
    if (damage === "recreated") {
      this.incarnations.push({ created: `created ${this.incarnations.length + 1}`, messages: [] });
      this.#firstSequence = 1;
    }
    for (const listener of [...this.listeners]) listener.lost();
  }
}

export class Broker implements Reachability {
  away: Reachability["away"] = "no";
  readonly held: (() => void)[] = [];
  /** How far its clock is from the true time. */
  skewMs = 0;
  readonly #streams: readonly Stream[];
  /** The sequence of a message by its id, as long as the duplicate window remembers it. */
  readonly #stored = new Map<string, number>();

  constructor(
    partitions: number,
    private readonly nowMs: () => number,
    private readonly audit: Audit,
  ) {
    this.#streams = Array.from({ length: partitions }, () => new Stream());
  }

  get streams(): readonly Stream[] {
    return this.#streams;
  }

  stream(partition: number): Stream {
    const stream = this.#streams[partition];
    if (stream === undefined) throw new Error(`there is no stream of partition ${partition}`);
    return stream;
  }

  /**
   * Stores a message, and returns its sequence. A repeat inside the duplicate window is dropped.
   */
  publish(partition: number, text: string, meaning: Meaning, repeats: "dropped" | "stored") {
    const id = `${partition}.${meaning.publisher}.${meaning.number}`;
    const known = this.#stored.get(id);
    if (known !== undefined && repeats === "dropped") return known;
    const sequence = this.stream(partition).append(this.nowMs() + this.skewMs, text, meaning);
    this.#stored.set(id, sequence);
    return sequence;
  }

  purge(partition: number, sequence: number): void {
    this.audit.purged(partition, sequence);
    this.stream(partition).purge(sequence);
  }

  /** The connections of all consumers are lost. */
  disconnect(): void {
    for (const { listeners } of this.#streams) {
      for (const listener of [...listeners]) listener.lost();
    }
  }
}
