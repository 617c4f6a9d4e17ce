/** Puts payloads into the streams in messages like those of ingest, without going through HTTP. */
import { connect, type NatsConnection } from "nats";
import { partitionOf } from "../../src/domain/digest.ts";
import { BatchBuilder, encodeTick } from "../../src/domain/envelope.ts";
import type { Payload } from "../../src/domain/payload.ts";
import { payloadSubject } from "../../src/nats/names.ts";
import { Random, Zipf } from "../../src/simulator/random.ts";

/** As many as the product has when it is not told otherwise. */
const partitions = 16;
const inFlightMax = 64;
const timeoutMs = 30_000;

/**
 * Publishes in the form of a process of ingest, numbered per partition, but with many messages in
 * flight: it waits for none of a partition.
 */
export class Backlog {
  readonly #publisher = `bench-${crypto.randomUUID().slice(0, 8)}`;
  readonly #builders: BatchBuilder[];
  readonly #numbers: number[];
  readonly #last: Promise<unknown>[];
  #inFlight = 0;
  #free = Promise.withResolvers<void>();

  private constructor(
    private readonly connection: NatsConnection,
    private readonly payloadsAMessage: number,
  ) {
    this.#builders = Array.from({ length: partitions }, () => new BatchBuilder());
    this.#numbers = Array.from({ length: partitions }, () => 0);
    this.#last = Array.from({ length: partitions }, () => Promise.resolve());
  }

  static async open(natsUrl: string, payloadsAMessage: number): Promise<Backlog> {
    const connection = await connect({ servers: natsUrl, noAsyncTraces: true });
    return new Backlog(connection, payloadsAMessage);
  }

  async add(payload: Payload): Promise<void> {
    const partition = partitionOf(payload.customer, payload.content, partitions);
    const builder = this.#builders[partition];
    builder?.add(payload);
    if (builder?.count === this.payloadsAMessage) await this.#send(partition);
  }

  /** Sends what is left; resolves when everything is stored. */
  async flush(): Promise<void> {
    for (const [partition, builder] of this.#builders.entries()) {
      if (builder.count > 0) await this.#send(partition);
    }
    await Promise.all(this.#last);
  }

  /** Moves the time of every stream on, as the worker does after a boundary without traffic. */
  async tick(): Promise<void> {
    const subjects = this.#numbers.map((_, partition) => payloadSubject(partition));
    await Promise.all(subjects.map((subject) => this.connection.request(subject, encodeTick())));
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  async #send(partition: number): Promise<void> {
    while (this.#inFlight >= inFlightMax) await this.#free.promise;
    const number = (this.#numbers[partition] ?? 0) + 1;
    this.#numbers[partition] = number;
    const text = this.#builders[partition]?.encode(this.#publisher, number) ?? "";
    this.#builders[partition] = new BatchBuilder();
    this.#inFlight++;
    const stored = this.connection
      .request(payloadSubject(partition), text, { timeout: timeoutMs })
      .then((answer) => {
        if (answer.string().includes('"error"')) throw new Error(answer.string());
        this.#inFlight--;
        this.#free.resolve();
        this.#free = Promise.withResolvers();
      });
    this.#last[partition] = stored;
  }
}

/** Payloads a second that JetStream stores in messages of so many, up to 64 of them in flight. */
export async function streamRate(
  natsUrl: string,
  payloadsAMessage: number,
  payloads: number,
): Promise<number> {
  const backlog = await Backlog.open(natsUrl, payloadsAMessage);
  const all = [...audience(payloads, Math.min(payloads, 100_000), 2_000)];
  const start = performance.now();
  for (const payload of all) await backlog.add(payload);
  await backlog.flush();
  const rate = (payloads / (performance.now() - start)) * 1_000;
  await backlog.close();
  return rate;
}

/** Payloads of a fixed audience: each token in one content, popular contents with many tokens. */
export function* audience(payloads: number, tokens: number, contents: number): Generator<Payload> {
  const random = new Random(payloads);
  const zipf = new Zipf(contents, 1);
  const places = Uint32Array.from({ length: tokens }, () => zipf.rank(random));
  const names = Array.from({ length: tokens }, () => random.uuid());
  for (let i = 0; i < payloads; i++) {
    const token = i % tokens;
    const place = places[token] ?? 0;
    yield {
      token: names[token] ?? "",
      customer: `Customer${place % 20}`,
      content: `channel${place}`,
      timespan: 30_000,
      p2p: random.below(20_000_000),
      cdn: random.below(20_000_000),
      sessionDuration: 30_000 * (Math.floor(i / tokens) + 1),
    };
  }
}

/** One payload for each of many contents: as many actors, each with one token. */
export function* actors(count: number, round: number): Generator<Payload> {
  for (let i = 0; i < count; i++) {
    yield {
      token: `token-${round}-${i}-0123456789abcdef`,
      customer: `Customer${i % 100}`,
      content: `channel${i}`,
      timespan: 30_000,
      p2p: 1_000_000 + i,
      cdn: 2_000_000 + i,
      sessionDuration: 30_000,
    };
  }
}
