/**
 * The devices of a run and what they send: a pure function of the options and the seed. Time is
 * device time, in ms from the start of the run; whoever sends the payloads decides how fast it
 * passes.
 */
import type { Payload } from "../domain/payload.ts";
import { DueQueue } from "./dueQueue.ts";
import { Random, Zipf } from "./random.ts";
import { payloadEveryMs, type Title, Viewing, type Visit } from "./viewing.ts";

export interface AudienceOptions {
  readonly seed: number;
  readonly devices: number;
  /** How many (customer, content) there are. */
  readonly contents: number;
  /** What every customer's name starts with, so that no earlier run shares a row with this one. */
  readonly customerPrefix: string;
  /** Share of devices that send an Idempotency-Key, and of those that go through a collector. */
  readonly keyedShare: number;
  readonly batchShare: number;
}

/** A payload to send now. */
export interface DuePayload {
  readonly atMs: number;
  readonly device: number;
  readonly payload: Payload;
  readonly visit: Visit;
  /** Undefined for a device that sends no Idempotency-Key. */
  readonly key: string | undefined;
  /** True when the device then sends the same request again, which must not count. */
  readonly repeated: boolean;
  /** True when a collector sends it together with the payloads of others. */
  readonly batched: boolean;
}

const contentsPerCustomer = 12;
const zipfExponent = 0.9;
const absentMsMean = 4 * 60_000;
/** Part of the devices that watch when the run begins, and of those that began earlier. */
const watchingShare = 0.8;
const underWayShare = 0.5;
/** Chance, at each payload, to change to another content within the same session. */
const zapChance = 0.004;
const repeatChance = 0.2;

/** Names are kept byte for byte, so some of them are unusual. */
const oddSuffixes = ["", " live", ".hd", "/replay", " #1 ⚽", "*", "'s choice", "%2F", " العربية"];

interface Device {
  viewing: Viewing | undefined;
  readonly keyed: boolean;
  readonly batched: boolean;
}

export class Audience {
  readonly titles: readonly Title[];
  readonly #random: Random;
  readonly #popularity: Zipf;
  readonly #devices: Device[] = [];
  readonly #queue = new DueQueue();
  #watching = 0;

  constructor(options: AudienceOptions) {
    this.#random = new Random(options.seed);
    this.titles = catalogue(options);
    this.#popularity = new Zipf(options.contents, zipfExponent);
    for (let number = 0; number < options.devices; number++) {
      const keyed = this.#random.chance(options.keyedShare);
      const batched = this.#random.chance(options.batchShare);
      this.#devices.push({ viewing: undefined, keyed, batched });
      this.#firstArrival(number);
    }
  }

  /** Devices that are in a session. */
  get watching(): number {
    return this.#watching;
  }

  /** When the next payload or arrival is due. */
  get nextMs(): number {
    return this.#queue.nextTime ?? Number.POSITIVE_INFINITY;
  }

  /** The next payload due at or before a time; undefined when there is none. */
  take(untilMs: number): DuePayload | undefined {
    for (let atMs = this.nextMs; atMs <= untilMs; atMs = this.nextMs) {
      const number = this.#queue.pop();
      const device = this.#devices[number ?? -1];
      if (number === undefined || device === undefined) return undefined;
      if (device.viewing !== undefined) return this.#payload(number, device, device.viewing);
      this.#arrive(number, device, atMs, 0);
    }
    return undefined;
  }

  #firstArrival(number: number): void {
    const device = this.#devices[number];
    if (device === undefined) return;
    if (!this.#random.chance(watchingShare)) {
      this.#absent(number, 0);
    } else if (this.#random.chance(underWayShare)) {
      this.#arrive(number, device, 0, this.#random.exponential(10 * 60_000));
    } else {
      this.#queue.push(this.#random.between(0, payloadEveryMs), number);
    }
  }

  #absent(number: number, fromMs: number): void {
    this.#queue.push(fromMs + this.#random.exponential(absentMsMean), number);
  }

  #arrive(number: number, device: Device, nowMs: number, ageMs: number): void {
    device.viewing = new Viewing(this.#random, this.#choose(), nowMs, Math.round(ageMs));
    this.#watching++;
    this.#queue.push(device.viewing.nextMs, number);
  }

  #payload(number: number, device: Device, viewing: Viewing): DuePayload {
    const atMs = viewing.nextMs;
    const key = device.keyed ? `${viewing.token}-${viewing.number}` : undefined;
    if (viewing.number > 0 && this.#random.chance(zapChance)) viewing.zap(this.#choose());
    const repeated = key !== undefined && this.#random.chance(repeatChance);
    const payload = viewing.take();
    const due = { atMs, device: number, payload, visit: viewing.visit, key, repeated };
    if (viewing.over) {
      device.viewing = undefined;
      this.#watching--;
      this.#absent(number, atMs);
    } else {
      this.#queue.push(viewing.nextMs, number);
    }
    return { ...due, batched: device.batched };
  }

  #choose(): Title {
    const title = this.titles[this.#popularity.rank(this.#random)];
    if (title === undefined) throw new Error("the catalogue is empty");
    return title;
  }
}

/** Every customer has contents of all degrees of popularity; several have one of the same name. */
function catalogue(options: AudienceOptions): readonly Title[] {
  const customers = Math.ceil(options.contents / contentsPerCustomer);
  return Array.from({ length: options.contents }, (_, rank) => {
    const number = Math.floor(rank / customers) + 1;
    const suffix = oddSuffixes[rank % oddSuffixes.length] ?? "";
    const customer = `${options.customerPrefix}-${(rank % customers) + 1}`;
    return { customer, content: `channel${number}${suffix}` };
  });
}
