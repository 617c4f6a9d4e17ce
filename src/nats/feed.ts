/**
 * Reads one partition's stream in order. Consumers come and go below it; what it hands out is
 * contiguous, or it fails with PayloadGap.
 */
import {
  type LogMessage,
  type MessageIdentity,
  PartitionHalted,
  type PayloadFeed,
  type VerifyStream,
} from "../actors/ports.ts";
import { backoffMs } from "../domain/backoff.ts";
import { inTime } from "../inTime.ts";
import type { Log } from "../log.ts";
import type { NatsLink } from "./connection.ts";
import { Continuity } from "./continuity.ts";
import { streamName } from "./names.ts";
import { openPullConsumer, type PullConsumer, type PullLimits } from "./pullConsumer.ts";
import { haltedWhenGone } from "./streamState.ts";

interface FeedOptions {
  readonly partition: number;
  readonly fromSequence: number;
  /** Called before every consumer; a PartitionHalted that it throws ends the feed. */
  readonly verify: VerifyStream;
  readonly log: Log;
  readonly limits?: Partial<FeedLimits>;
}

export interface FeedLimits extends PullLimits {
  /** About the most bytes of messages that are held or asked for. */
  readonly bufferBytesMax: number;
}

const defaults: FeedLimits = {
  bufferBytesMax: 4 * 1_048_576,
  requestBytes: 1_048_576,
  requestMessages: 4_096,
  heartbeatMs: 2_000,
  restMs: 40,
  expiresMs: 30_000,
};

/** What a message costs in memory beside its data. */
const messageOverheadBytes = 256;
const backOffMsMax = 2_000;
/** A consumer that lived this long was no failure. */
const steadyMs = 10_000;
/** How long stopping waits for the removal of the consumer. */
const stopMs = 1_500;

export class StreamFeed implements PayloadFeed {
  readonly #limits: FeedLimits;
  readonly #continuity: Continuity;
  readonly #stream: string;
  readonly #log: Log;
  readonly #verify: VerifyStream;
  /** What `verify` needs of the last message received; not its data. */
  #last: MessageIdentity | undefined;
  #buffer: LogMessage[] = [];
  #bufferBytes = 0;
  #expected: number;
  #consumer: PullConsumer | undefined;
  #failure: Error | undefined;
  #stopped = false;
  #failures = 0;
  /** Wakes the reader. */
  #readable = Promise.withResolvers<void>();
  /** Resolved when the consumer, or the attempt to open one, is over. */
  #session = Promise.withResolvers<void>();
  readonly #unsubscribe: () => void;
  readonly #ended: Promise<void>;

  constructor(
    private readonly link: NatsLink,
    options: FeedOptions,
  ) {
    this.#limits = { ...defaults, ...options.limits };
    this.#continuity = new Continuity(link, options.partition);
    this.#stream = streamName(options.partition);
    this.#expected = options.fromSequence;
    this.#verify = options.verify;
    this.#log = options.log.with({ partition: options.partition });
    this.#unsubscribe = link.onChange((connected) => {
      this.#drop(connected ? "reconnected" : "disconnected");
    });
    this.#ended = this.#run();
  }

  async next(messagesMax: number): Promise<readonly LogMessage[]> {
    while (this.#buffer.length === 0) {
      if (this.#stopped) return [];
      if (this.#failure !== undefined) throw this.#failure;
      await this.#readable.promise;
      this.#readable = Promise.withResolvers();
    }
    return this.#stopped ? [] : this.#take(messagesMax);
  }

  restart(): void {
    this.#failures = 0;
    this.#drop("restarted");
  }

  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#buffer = [];
      this.#unsubscribe();
      this.#readable.resolve();
      this.#session.resolve();
    }
    await this.#ended;
  }

  #take(messagesMax: number): LogMessage[] {
    const all = this.#buffer.length <= messagesMax;
    const taken = all ? this.#buffer : this.#buffer.splice(0, messagesMax);
    if (all) this.#buffer = [];
    for (const message of taken) this.#bufferBytes -= costOf(message);
    this.#pull();
    return taken;
  }

  /** Keeps a consumer open until the feed is stopped or has failed. */
  async #run(): Promise<void> {
    while (!this.#stopped && this.#failure === undefined) {
      const session = Promise.withResolvers<void>();
      this.#session = session;
      const opening = this.link.connected ? this.#open(session) : undefined;
      // What ends the session while the consumer is being opened does not wait for the broker.
      this.#consumer = await Promise.race([opening, session.promise.then(() => undefined)]);
      const openedAtMs = performance.now();
      this.#pull();
      await session.promise;
      this.#consumer = undefined;
      const closing = opening?.then((consumer) => consumer?.close());
      if (performance.now() - openedAtMs > steadyMs) this.#failures = 0;
      if (!this.link.connected) continue;
      if (!this.#stopped) await this.#backOff();
      else if (closing !== undefined) await inTime(closing, stopMs).catch(() => {});
    }
  }

  /** Undefined when it cannot be opened; the session is over then. */
  async #open(session: PromiseWithResolvers<void>): Promise<PullConsumer | undefined> {
    let consumer: PullConsumer | undefined;
    try {
      // Before the stream is verified: a consumer goes with its stream, so one that is made anew
      // after it was verified cannot be read from the middle.
      consumer = await openPullConsumer(this.link, this.#stream, this.#expected, this.#limits, {
        message: (message) => this.#arrived(message),
        room: () => this.#pull(),
        lost: (reason) => this.#drop(reason),
      });
      // First what a new leader may get wrong for a moment, and then what `verify` says for good.
      const gap = await this.#continuity.findGap(this.#expected, this.#last);
      await this.#verify(this.#last);
      if (this.#session === session && gap === undefined) return consumer;
      if (this.#session === session && gap !== undefined) this.#fail(gap);
      void consumer.close();
      return undefined;
    } catch (error) {
      void consumer?.close();
      session.resolve();
      if (this.#session !== session) return undefined;
      const reason = haltedWhenGone(error);
      if (reason instanceof PartitionHalted) this.#fail(reason);
      else this.#log.warn("the stream cannot be read now", { error });
      return undefined;
    }
  }

  #arrived(message: LogMessage): void {
    if (message.sequence < this.#expected || this.#stopped) return;
    if (message.sequence > this.#expected) {
      this.#continuity.skippedTo(message.sequence);
      this.#drop(`sequence ${message.sequence} instead of ${this.#expected}`);
      return;
    }
    this.#expected++;
    this.#last = { sequence: message.sequence, time: message.time };
    this.#failures = 0;
    this.#buffer.push(message);
    this.#bufferBytes += costOf(message);
    this.#readable.resolve();
  }

  #pull(): void {
    this.#consumer?.pull(this.#limits.bufferBytesMax - this.#bufferBytes);
  }

  #drop(reason: string): void {
    if (this.#stopped || this.#failure !== undefined) return;
    this.#log.debug("the consumer is replaced", { reason, expected: this.#expected });
    // Messages of the old consumer that still arrive would be repeats, or out of order.
    void this.#consumer?.close();
    this.#session.resolve();
  }

  #fail(failure: Error): void {
    this.#failure = failure;
    this.#unsubscribe();
    this.#readable.resolve();
    this.#session.resolve();
  }

  /** The first try is almost at once; many feeds must not all come back in the same instant. */
  async #backOff(): Promise<void> {
    const waitMs = backoffMs(this.#failures++, 50, backOffMsMax) * Math.random();
    const woken = Promise.withResolvers<void>();
    const timer = setTimeout(woken.resolve, waitMs);
    this.#session = woken;
    await woken.promise;
    clearTimeout(timer);
  }
}

function costOf(message: LogMessage): number {
  return message.data.length + messageOverheadBytes;
}
