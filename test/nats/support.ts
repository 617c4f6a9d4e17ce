/** What the tests of this folder share. */
import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type {
  LogMessage,
  PayloadFeed,
  PayloadLog,
  PayloadLogUnavailable,
} from "../../src/actors/ports.ts";
import { type Batch, decodeMessage, payloadWidth } from "../../src/domain/envelope.ts";
import type { Payload } from "../../src/domain/payload.ts";
import type { Receipt } from "../../src/domain/receipt.ts";
import { silentLog } from "../../src/log.ts";
import { connectNats, type NatsLink } from "../../src/nats/connection.ts";
import { Publisher, type PublisherOptions } from "../../src/nats/publisher.ts";
import { JetStreamStreams } from "../../src/nats/streams.ts";
import { ensureStreams } from "../../src/nats/topology.ts";
import type { NatsServer } from "../support/servers.ts";
import { until } from "../support/until.ts";

export function connectTo(url: string): Promise<NatsLink> {
  return connectNats({ url, name: "test", log: silentLog });
}

/** A connection with empty streams: those of an earlier test are removed. */
export async function freshStreams(url: string, partitions: number, streamBytesMax?: number) {
  const link = await connectTo(url);
  for await (const name of link.manager.streams.names()) await link.manager.streams.delete(name);
  const streams = await ensureStreams(link, { partitions, replicas: 1 });
  if (streamBytesMax !== undefined) {
    for (const name of streams.keys()) {
      await link.manager.streams.update(name, { max_bytes: streamBytesMax });
    }
  }
  return { link, streams: new JetStreamStreams(link, silentLog) };
}

export function publisherOn(
  link: NatsLink,
  partitions: number,
  options: Partial<PublisherOptions> = {},
): Publisher {
  return new Publisher(link, { partitions, publisher: crypto.randomUUID(), ...options });
}

export function payload(token: string, fields: Partial<Payload> = {}): Payload {
  return {
    token,
    customer: "Customer1",
    content: "channel1",
    timespan: 30_000,
    p2p: 0,
    cdn: 1,
    sessionDuration: 2,
    ...fields,
  };
}

export function payloads(count: number, fields: Partial<Payload> = {}): Payload[] {
  return Array.from({ length: count }, (_, i) => payload(`token-${i}`, fields));
}

/** One payload through `appendOne`, as a promise. */
export function appendOne(log: PayloadLog, one: Payload, keyDigest?: string): Promise<Receipt> {
  return new Promise((resolve, reject) => {
    log.appendOne(one, keyDigest, { stored: resolve, failed: (error) => reject(error()) });
  });
}

/** Several, of which the receipts are wanted. */
export function appendEach(log: PayloadLog, payloads: readonly Payload[]): Promise<Receipt[]> {
  return Promise.all(payloads.map((one) => appendOne(log, one)));
}

/** Why an append was refused; fails when it was not. */
export async function refusalOf(append: Promise<unknown>): Promise<string> {
  const outcome = await append.then(
    () => "stored",
    (error: PayloadLogUnavailable) => error.reason,
  );
  expect(outcome).not.toBe("stored");
  return outcome;
}

/** Reads until the sequence is reached. */
export async function readThrough(
  feed: PayloadFeed,
  lastSequence: number,
  messagesMax = 1_000,
): Promise<LogMessage[]> {
  const read: LogMessage[] = [];
  while ((read.at(-1)?.sequence ?? 0) < lastSequence) {
    const messages = await feed.next(messagesMax);
    if (messages.length === 0) break;
    read.push(...messages);
  }
  return read;
}

/** Everything that a partition's stream holds. */
export async function readAll(streams: JetStreamStreams, partition: number): Promise<LogMessage[]> {
  const { firstSequence, lastSequence } = await streams.state(partition);
  if (lastSequence < firstSequence) return [];
  const feed = streams.feed(partition, firstSequence, async () => {});
  try {
    return await readThrough(feed, lastSequence);
  } finally {
    await feed.stop();
  }
}

export function batchOf(message: LogMessage | undefined): Batch {
  if (message === undefined) throw new Error("no message");
  const decoded = decodeMessage(message.data);
  if (decoded.kind !== "batch") throw new Error(`not a batch but ${decoded.kind}`);
  return decoded;
}

/** The payloads of a batch as they were appended. */
export function payloadsOf(batch: Batch): unknown[] {
  const found: unknown[] = [];
  for (let at = 0; at < batch.payloads.length; at += payloadWidth) {
    const [actor, token, timespan, p2p, cdn, sessionDuration] = batch.payloads.slice(at);
    const index = Number(actor) * 2;
    const [customer, content] = batch.actors.slice(index, index + 2);
    found.push({ token, customer, content, timespan, p2p, cdn, sessionDuration });
  }
  return found;
}

/**
 * The payloads of all partitions by sequence and index, and the tokens of those that an owner
 * counts. A message whose answer was lost is sent again and then stored twice: its receipts name
 * the second place, and it is counted at the first.
 */
export async function storedPayloads(streams: JetStreamStreams, partitions: number) {
  const stored = new Map<string, unknown>();
  const countedTokens: unknown[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const lastNumbers = new Map<string, number>();
    for (const message of await readAll(streams, partition)) {
      const batch = batchOf(message);
      const isRepeat = batch.number <= (lastNumbers.get(batch.publisher) ?? 0);
      if (!isRepeat) lastNumbers.set(batch.publisher, batch.number);
      for (const [index, found] of payloadsOf(batch).entries()) {
        stored.set(receiptKey({ partition, sequence: message.sequence, index }), found);
        if (!isRepeat && typeof found === "object" && found !== null && "token" in found) {
          countedTokens.push(found.token);
        }
      }
    }
  }
  return { stored, countedTokens };
}

export function receiptKey({ partition, sequence, index }: Receipt): string {
  return `${partition}.${sequence}.${index}`;
}

/** Stops a server in its tracks: its sockets stay open, and nobody answers. */
export async function pause({ pid }: NatsServer): Promise<void> {
  if (pid === undefined) throw new Error("the server does not run");
  process.kill(pid, "SIGSTOP");
  // The signal may reach threads that are at work a moment later.
  await until(() => isPaused(pid), { what: "the server is paused" });
}

function isPaused(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) {
    const { stdout } = Bun.spawnSync(["ps", "-o", "state=", "-p", String(pid)]);
    return stdout.toString().trim().startsWith("T");
  }
  const stats = readdirSync(tasks).map((task) => readFileSync(`${tasks}/${task}/stat`, "utf8"));
  return stats.every((stat) => /\) T /.test(stat));
}

export function resume({ pid }: NatsServer): void {
  if (pid !== undefined) process.kill(pid, "SIGCONT");
}
