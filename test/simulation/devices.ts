/**
 * Devices and what they send. Every payload with bytes carries a power of 4 of its own among those
 * of its (customer, content), so that the digits of a sum tell which payloads are in it, and how
 * often.
 */
import { partitionOf } from "../../src/domain/digest.ts";
import { BatchBuilder } from "../../src/domain/envelope.ts";
import type { Random } from "../../src/simulator/random.ts";
import type { NaivePayload } from "../support/naiveModel.ts";
import { keyDigest } from "../support/streams.ts";

export interface SentPayload {
  readonly id: number;
  readonly actor: Actor;
  readonly payload: NaivePayload;
  /** The place of its digit in the sums of its actor; undefined when it carries no byte. */
  readonly digit: number | undefined;
  acknowledged: boolean;
  /** How often it may still be sent again after a failure. */
  retriesLeft: number;
}

export interface Actor {
  readonly partition: number;
  readonly customer: string;
  readonly content: string;
  digits: number;
}

/** Digits that fit `cdn` exactly; as many more fit `p2p`. */
export const digitsOfField = 26;

const names = ["Customer1", "__proto__", "a.b *>", "Ω🎬", "constructor"];

export class Devices {
  readonly actors: readonly Actor[];
  readonly sent: SentPayload[] = [];
  #keys = 0;

  constructor(
    private readonly random: Random,
    private readonly windowMs: number,
    partitions: number,
    actors: number,
  ) {
    this.actors = Array.from({ length: actors }, (_, i) => {
      const [partition, customer] = [i % partitions, names[i % names.length] ?? ""];
      let n = i;
      while (partitionOf(customer, `channel${n}`, partitions) !== partition) n += actors;
      return { partition, customer, content: `channel${n}`, digits: 0 };
    });
  }

  /** What devices send to one partition at a time, in one message. */
  send(partition: number): SentPayload[] {
    const { random } = this;
    const actors = this.actors.filter((actor) => actor.partition === partition);
    const keyed = random.chance(0.3);
    const count = 1 + random.below(4);
    return Array.from({ length: count }, () => this.#payload(pick(random, actors), keyed));
  }

  #payload(actor: Actor, keyed: boolean): SentPayload {
    const { random, windowMs } = this;
    const digitless = random.chance(0.15) || actor.digits >= 2 * digitsOfField;
    const digit = digitless ? undefined : actor.digits++;
    const ages = [0, 2, windowMs - 1, windowMs, 10 * windowMs];
    const sent: SentPayload = {
      id: this.sent.length,
      actor,
      payload: {
        token: `token ${random.below(6)}`,
        customer: actor.customer,
        content: actor.content,
        timespan: 30_000,
        ...bytesOf(digit),
        sessionDuration: pick(random, ages),
        key: keyed ? keyDigest(`key ${this.#keys++}`) : undefined,
      },
      digit,
      acknowledged: false,
      // Without a key a payload that is sent again would be another one.
      retriesLeft: keyed ? random.below(3) : 0,
    };
    this.sent.push(sent);
    return sent;
  }
}

function bytesOf(digit: number | undefined): { cdn: number; p2p: number } {
  if (digit === undefined) return { cdn: 0, p2p: 0 };
  if (digit < digitsOfField) return { cdn: 4 ** digit, p2p: 0 };
  return { cdn: 0, p2p: 4 ** (digit - digitsOfField) };
}

export function pick<T>(random: Random, list: readonly T[]): T {
  const found = list[random.below(list.length)];
  if (found === undefined) throw new Error("nothing to pick from");
  return found;
}

/** The text of a message, with `poison` malformed payloads at its end. */
export function encodeBatch(
  publisher: string,
  number: number,
  payloads: readonly SentPayload[],
  poison: number,
): string {
  const batch = new BatchBuilder();
  for (const { payload } of payloads) batch.add(payload, payload.key);
  const last = payloads.at(-1)?.payload;
  for (let i = 0; i < poison && last !== undefined; i++) batch.add({ ...last, cdn: -1 });
  return batch.encode(publisher, number);
}
