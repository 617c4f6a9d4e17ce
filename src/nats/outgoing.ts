/** Payloads on their way to the log: appends that wait, the messages that carry them, and lanes. */
import type { AppendWaiter, PayloadLogUnavailable } from "../actors/ports.ts";
import { BatchBuilder } from "../domain/envelope.ts";
import type { Payload } from "../domain/payload.ts";
import type { Receipt } from "../domain/receipt.ts";

/** One call of `append`: one promise, however many payloads and messages it takes. */
export class PendingAppend implements AppendWaiter {
  readonly #receipts: Receipt[];
  #missing: number;
  #settled = false;

  constructor(
    count: number,
    private readonly resolve: (receipts: Receipt[]) => void,
    private readonly reject: (error: PayloadLogUnavailable) => void,
  ) {
    this.#receipts = new Array<Receipt>(count);
    this.#missing = count;
  }

  /** One of its payloads is stored. It resolves with the last one. */
  stored(slot: number, receipt: Receipt): void {
    this.#receipts[slot] = receipt;
    this.#missing--;
    if (this.#missing === 0 && !this.#settled) {
      this.#settled = true;
      this.resolve(this.#receipts);
    }
  }

  /** One of its payloads is not known to be stored, so neither is the whole. */
  failed(error: () => PayloadLogUnavailable): void {
    if (this.#settled) return;
    this.#settled = true;
    this.reject(error());
  }
}

/** A message that is being filled, or that waits for its turn. */
export class OutgoingMessage {
  readonly #builder = new BatchBuilder();
  readonly #waiters: AppendWaiter[] = [];
  /** The slot of each payload among those its waiter waits for. */
  readonly #slots: number[] = [];

  constructor(readonly queuedAtMs: number) {}

  get count(): number {
    return this.#builder.count;
  }

  get bytes(): number {
    return this.#builder.bytes;
  }

  add(payload: Payload, keyDigest: string | undefined, waiter: AppendWaiter, slot: number) {
    this.#builder.add(payload, keyDigest);
    this.#waiters.push(waiter);
    this.#slots.push(slot);
  }

  encode(publisher: string, number: number): string {
    return this.#builder.encode(publisher, number);
  }

  /** The message is stored: every payload gets its receipt. */
  stored(partition: number, sequence: number): void {
    for (const [index, waiter] of this.#waiters.entries()) {
      waiter.stored(this.#slots[index] ?? 0, { partition, sequence, index });
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
