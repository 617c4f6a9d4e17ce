/** Payloads on their way to the log: appends that wait, the messages that carry them, and lanes. */
import type { AppendWaiter, PayloadLogUnavailable } from "../actors/ports.ts";
import { BatchBuilder } from "../domain/envelope.ts";
import type { Payload } from "../domain/payload.ts";

/** One call of `append`: one promise, however many payloads and messages it takes. */
export class PendingAppend implements AppendWaiter {
  #failed = false;

  /** @param missing how many of its payloads are not stored yet. */
  constructor(
    private missing: number,
    private readonly resolve: () => void,
    private readonly reject: (error: PayloadLogUnavailable) => void,
  ) {}

  /** One of its payloads is stored. It resolves with the last one. */
  stored(): void {
    if (--this.missing === 0) this.resolve();
  }

  /** One of its payloads is not known to be stored, so neither is the whole. */
  failed(error: () => PayloadLogUnavailable): void {
    if (this.#failed) return;
    this.#failed = true;
    this.reject(error());
  }
}

/** A message that is being filled, or that waits for its turn. */
export class OutgoingMessage {
  readonly #builder = new BatchBuilder();
  readonly #waiters: AppendWaiter[] = [];

  constructor(readonly queuedAtMs: number) {}

  get count(): number {
    return this.#builder.count;
  }

  get bytes(): number {
    return this.#builder.bytes;
  }

  add(payload: Payload, keyDigest: string | undefined, waiter: AppendWaiter): void {
    this.#builder.add(payload, keyDigest);
    this.#waiters.push(waiter);
  }

  encode(publisher: string, number: number): string {
    return this.#builder.encode(publisher, number);
  }

  /** The message is stored: every payload gets its receipt. */
  stored(partition: number, sequence: number): void {
    for (const [index, waiter] of this.#waiters.entries()) {
      waiter.stored({ partition, sequence, index });
    }
  }

  failed(error: () => PayloadLogUnavailable): void {
    for (const waiter of this.#waiters) waiter.failed(error);
  }
}

/** The message that a partition waits for. */
interface Flight {
  readonly message: OutgoingMessage;
  readonly number: number;
  readonly text: string;
  readonly deadlineMs: number;
  /** When it is sent again unless it has been answered. */
  resendAtMs: number;
  /** What the last answer said was wrong; undefined while there was no answer. */
  lastError: Error | undefined;
}

/** The way to one partition: a queue of messages, of which at most one is in flight. */
export class Lane {
  readonly queue: OutgoingMessage[] = [];
  flight: Flight | undefined;
  /** Payloads and bytes that are queued or in flight. */
  payloads = 0;
  bytes = 0;
  lastNumber = 0;
  /** True while its next message waits for the next beat. */
  due = false;

  /** The last refusal for want of room, until a message is stored again. */
  full: { readonly atMs: number; readonly reason: string } | undefined;

  /** When the last message was given up though the broker was connected, until one is stored. */
  unansweredAtMs: number | undefined;

  /** How often in a row, over all messages, the broker said that there is no stream. */
  absences = 0;

  constructor(readonly partition: number) {}

  /** The message to add payloads to. */
  open(nowMs: number, messageBytesMax: number): OutgoingMessage {
    const last = this.queue.at(-1);
    if (last !== undefined && last.bytes < messageBytesMax) return last;
    const message = new OutgoingMessage(nowMs);
    this.queue.push(message);
    return message;
  }
}
