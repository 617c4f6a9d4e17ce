/**
 * One video session of one device, as a function of its age: a payload when it starts and every
 * 30 s of device time after that. Peers are found during the first minutes, so the share of p2p
 * grows; while the viewer pauses, payloads carry no bytes.
 */
import type { Payload } from "../domain/payload.ts";
import type { Random } from "./random.ts";

/** Device time between two payloads. */
export const payloadEveryMs = 30_000;

/** A content as its customer names it. */
export interface Title {
  readonly customer: string;
  readonly content: string;
}

/** A session's time with one title: the same object for all its payloads, and for no others. */
export interface Visit {
  readonly title: Title;
}

const pauseChance = 0.03;
/** Payloads that a pause lasts, on average. */
const pausePayloads = 4;
/** How long it takes to find most of the peers that will be found. */
const peerSearchMs = 90_000;

export class Viewing {
  readonly token: string;
  /** When the session began; before 0 for one that was under way when the run began. */
  readonly #startedMs: number;
  readonly #endsMs: number;
  /** From the start of the session to its first payload. */
  readonly #startupMs: number;
  readonly #bytesPerMs: number;
  readonly #peerShareMax: number;
  #paused = 0;
  #sent: number;
  #visit: Visit;
  readonly #visits: Visit[];

  /** @param ageMs how old the session already is at `nowMs`. */
  constructor(
    readonly random: Random,
    title: Title,
    nowMs: number,
    ageMs: number,
  ) {
    this.#visit = { title };
    this.#visits = [this.#visit];
    this.token = random.uuid();
    this.#startedMs = nowMs - ageMs;
    this.#startupMs = Math.round(random.between(0, 2_000));
    this.#endsMs = nowMs + random.logNormal(12 * 60_000, 1);
    // From 1 to 8 Mbit/s.
    this.#bytesPerMs = random.between(125, 1_000);
    this.#peerShareMax = random.chance(0.15) ? 0 : random.between(0.3, 0.95);
    this.#sent = Math.ceil(Math.max(0, ageMs - this.#startupMs) / payloadEveryMs);
  }

  /** When the next payload is due. */
  get nextMs(): number {
    return this.#startedMs + this.#startupMs + this.#sent * payloadEveryMs;
  }

  get over(): boolean {
    return this.nextMs > this.#endsMs;
  }

  /** The number of the next payload within the session, from 0. */
  get number(): number {
    return this.#sent;
  }

  /** Where the next payload belongs. */
  get visit(): Visit {
    return this.#visit;
  }

  /** Changes to another title within the session; who comes back continues the earlier visit. */
  zap(title: Title): void {
    const earlier = this.#visits.find((visit) => visit.title === title);
    this.#visit = earlier ?? { title };
    if (earlier === undefined) this.#visits.push(this.#visit);
  }

  /** The payload that is due, after which the next one is. */
  take(): Payload {
    const sessionDuration = this.#startupMs + this.#sent * payloadEveryMs;
    const watchedMs = this.#sent === 0 ? this.#startupMs : payloadEveryMs;
    this.#sent++;
    const { cdn, p2p } = this.#bytes(sessionDuration, watchedMs);
    const { token } = this;
    const { customer, content } = this.#visit.title;
    return { token, customer, content, timespan: payloadEveryMs, p2p, cdn, sessionDuration };
  }

  #bytes(ageMs: number, watchedMs: number): { cdn: number; p2p: number } {
    if (this.#paused > 0) {
      this.#paused--;
      return { cdn: 0, p2p: 0 };
    }
    if (this.random.chance(pauseChance)) {
      this.#paused = Math.round(this.random.exponential(pausePayloads));
      return { cdn: 0, p2p: 0 };
    }
    const bytes = 1 + Math.round(this.#bytesPerMs * watchedMs * this.random.between(0.7, 1.3));
    const found = 1 - Math.exp(-ageMs / peerSearchMs);
    const share = Math.min(1, this.#peerShareMax * found * this.random.between(0.7, 1.2));
    const p2p = Math.round(bytes * share);
    return { cdn: bytes - p2p, p2p };
  }
}
