/** Follows single payloads through a replay. */
import type { TracedPayload } from "../actors/historyPorts.ts";
import type { PayloadObserver } from "../actors/payloadObserver.ts";
import type { LogMessage } from "../actors/ports.ts";
import type { WindowActor } from "../actors/windowActor.ts";
import type { ActorName } from "../domain/actorName.ts";
import { hash32 } from "../domain/digest.ts";
import { type Batch, decodeMessage, payloadWidth } from "../domain/envelope.ts";
import { formatReceipt, type Receipt } from "../domain/receipt.ts";

interface TraceQuery extends ActorName {
  readonly partition: number;
  readonly windowIndex: number;
  readonly offset: number;
  readonly limit: number;
  readonly showTokens: boolean;
}

/** Collects a page of the payloads of one window of one actor, in the order they were read. */
export class PayloadTrace implements PayloadObserver {
  readonly payloads: TracedPayload[] = [];
  #total = 0;
  #message: LogMessage | undefined;
  #batch: Batch | undefined;

  constructor(private readonly query: TraceQuery) {}

  /** Payloads of the window so far, repeats included. */
  get total(): number {
    return this.#total;
  }

  /** To be called before a message is applied. */
  reading(message: LogMessage): void {
    this.#message = message;
    this.#batch = undefined;
  }

  counted(index: number, actor: WindowActor, startsSession: boolean): void {
    if (this.#isWanted(actor)) this.#add(index, actor, "counted", startsSession);
  }

  duplicate(index: number, actor: WindowActor): void {
    if (this.#isWanted(actor)) this.#add(index, actor, "duplicate", false);
  }

  #isWanted(actor: WindowActor): boolean {
    const { customer, content, windowIndex, offset, limit } = this.query;
    if (actor.lastWindow !== windowIndex) return false;
    if (actor.content !== content || actor.customer !== customer) return false;
    const place = this.#total++;
    return place >= offset && place < offset + limit;
  }

  #add(
    index: number,
    actor: WindowActor,
    outcome: TracedPayload["outcome"],
    startsSession: boolean,
  ): void {
    const message = this.#message;
    if (message === undefined) return;
    this.#batch ??= batchOf(message);
    const { token, timespan, p2p, cdn, sessionDuration } = payloadAt(this.#batch, index);
    const { partition, showTokens } = this.query;
    this.payloads.push({
      receipt: formatReceipt({ partition, sequence: message.sequence, index }),
      receivedAt: new Date(message.timeMs).toISOString(),
      token: showTokens ? token : maskedToken(token, actor.lowSeed),
      timespan,
      p2p,
      cdn,
      sessionDuration,
      outcome,
      startsSession,
    });
  }
}

/** Tells equal tokens of one content, and nothing else. */
function maskedToken(token: string, seed: number): string {
  return `#${hash32(token, seed).toString(16).padStart(8, "0")}`;
}

/** The batch that a message holds; undefined when it holds none. */
function batchOf(message: LogMessage): Batch | undefined {
  const decoded = decodeMessage(message.data);
  return decoded.kind === "batch" ? decoded : undefined;
}

/** A payload of a batch as it was read, checked by nobody. */
export function payloadAt(batch: Batch | undefined, index: number) {
  const at = index * payloadWidth;
  const [actor, token, timespan, p2p, cdn, sessionDuration] =
    batch?.payloads.slice(at, at + payloadWidth) ?? [];
  return {
    customer: String(batch?.actors[Number(actor) * 2] ?? ""),
    content: String(batch?.actors[Number(actor) * 2 + 1] ?? ""),
    token: String(token),
    timespan: Number(timespan),
    p2p: Number(p2p),
    cdn: Number(cdn),
    sessionDuration: Number(sessionDuration),
  };
}

/** What becomes of one payload, and of which earlier one it is a repeat. */
export class ReceiptTrace implements PayloadObserver {
  outcome: "counted" | "duplicate" | undefined;
  startsSession = false;
  duplicateOf: string | undefined;
  readonly #target: Batch;
  readonly #key: unknown;
  #sequence = 0;
  /** Where the payload stands in the message that is read, unless that is later than its own. */
  #index: number | undefined;

  constructor(
    private readonly receipt: Receipt,
    batch: Batch,
  ) {
    this.#target = batch;
    this.#key = keyOf(batch, receipt.index);
  }

  reading(message: LogMessage): void {
    this.#sequence = message.sequence;
    const isLater = message.sequence > this.receipt.sequence;
    this.#index = isLater ? undefined : this.#indexIn(batchOf(message));
  }

  counted(index: number, _actor: WindowActor, startsSession: boolean): void {
    if (this.#isTarget(index)) {
      this.outcome = "counted";
      this.startsSession = startsSession;
      this.duplicateOf = undefined;
    } else if (index === this.#index) {
      // A later one counts when the key of an earlier one was forgotten meanwhile.
      this.duplicateOf = formatReceipt({ ...this.receipt, sequence: this.#sequence, index });
    }
  }

  duplicate(index: number): void {
    if (this.#isTarget(index)) this.outcome = "duplicate";
  }

  #isTarget(index: number): boolean {
    return this.#sequence === this.receipt.sequence && index === this.receipt.index;
  }

  /** The first index of the same payload in a message: by its key, or by the message's number. */
  #indexIn(batch: Batch | undefined): number | undefined {
    if (batch === undefined) return undefined;
    if (this.#key === undefined) {
      const { publisher, number, retry } = this.#target;
      const isSame = batch.publisher === publisher && batch.number === number;
      return isSame && batch.retry === retry ? this.receipt.index : undefined;
    }
    const at = batch.keys.findIndex((key, i) => i % 2 === 1 && key === this.#key);
    const index = batch.keys[at - 1];
    return typeof index === "number" ? index : undefined;
  }
}

function keyOf(batch: Batch, index: number): unknown {
  const at = batch.keys.findIndex((value, i) => i % 2 === 0 && value === index);
  return at < 0 ? undefined : batch.keys[at + 1];
}
