/** A partition's past in memory: its stream, as far as it is retained, and its events. */
import { systemClock } from "../../src/actors/clock.ts";
import type { HistoryStore, PartitionPlace } from "../../src/actors/historyPorts.ts";
import type { LogMessage, PayloadFeed, RememberedTokens } from "../../src/actors/ports.ts";
import type { RecordedEvent } from "../../src/actors/readPorts.ts";
import type { ActorName } from "../../src/domain/actorName.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import type { Rules } from "../../src/domain/rules.ts";
import { floorTo } from "../../src/domain/windows.ts";
import type { Past } from "../../src/replay/sources.ts";

const created = "2027-01-15T00:00:00Z";

interface MemoryPastOptions {
  readonly stream: readonly LogMessage[];
  readonly events: readonly DomainEvent[];
  readonly rules: Rules;
  /** Messages up to this one were dropped. */
  readonly droppedThrough?: number;
  /** SESSION_MEMORY of whoever sealed the window that ends then. */
  readonly memoryOf?: (windowEndMs: number) => number | undefined;
  /** By default the owner has sealed all windows that messages have crossed the end of. */
  readonly place?: Partial<PartitionPlace>;
  /** The wall clock, epoch ms. */
  readonly nowMs?: number;
}

export function memoryPast(
  options: MemoryPastOptions,
): Past & { dropThrough(sequence: number): void } {
  const { stream, events, rules } = options;
  let dropped = options.droppedThrough ?? 0;
  const recorded = events.map(record);
  const lastSequence = stream.at(-1)?.sequence ?? 0;
  return {
    dropThrough(sequence) {
      dropped = sequence;
    },
    streams: {
      state: async () => ({ created, firstSequence: dropped + 1, lastSequence }),
      message: async (_, sequence) => (sequence > dropped ? stream[sequence - 1] : undefined),
      feed: (_, from) => {
        if (from <= dropped) throw new Error(`sequence ${from} was dropped`);
        return new ListFeed(stream.slice(from - 1));
      },
    },
    history: new MemoryHistory(
      recorded,
      {
        streamCreated: created,
        sequence: lastSequence,
        messageTime: stream.at(-1)?.time ?? "",
        position: recorded.length,
        sealedThroughMs: floorTo(stream.at(-1)?.timeMs ?? 0, rules.windowMs),
        sequencesFromMs: Number.NEGATIVE_INFINITY,
        lossAcceptedTime: "",
        ...options.place,
      },
      options.memoryOf ?? (() => undefined),
    ),
    store: {
      async *rememberedTokens(_, afterMs) {
        yield tokensOf(recorded.filter((event) => endOf(event) > afterMs));
      },
    },
    clock: { ...systemClock, now: () => options.nowMs ?? Date.now() },
    rules,
  };
}

function record(event: DomainEvent, index: number): RecordedEvent {
  return {
    ...event,
    partition: 0,
    position: index + 1,
    windowEnd: event.data.windowEnd,
    recordedAt: event.data.windowEnd,
    sealedBy: "worker-1",
    epoch: 1,
  };
}

function endOf(event: RecordedEvent): number {
  return Date.parse(event.windowEnd);
}

function field(event: RecordedEvent, name: string): unknown {
  const { data } = event;
  return typeof data === "object" && data !== null
    ? Object.entries(data).find(([key]) => key === name)?.[1]
    : undefined;
}

function tokensOf(events: readonly RecordedEvent[]): RememberedTokens[] {
  return events.map((event) => ({
    windowEndMs: endOf(event),
    tokens: String(field(event, "tokens")),
  }));
}

class ListFeed implements PayloadFeed {
  #left: readonly LogMessage[];

  constructor(messages: readonly LogMessage[]) {
    this.#left = messages;
  }

  async next(messagesMax: number): Promise<readonly LogMessage[]> {
    const taken = this.#left.slice(0, messagesMax);
    this.#left = this.#left.slice(messagesMax);
    if (taken.length === 0) throw new Error("read beyond the end of the stream");
    return taken;
  }

  restart(): void {}

  async stop(): Promise<void> {}
}

class MemoryHistory implements HistoryStore {
  constructor(
    private readonly events: readonly RecordedEvent[],
    private readonly at: Awaited<ReturnType<HistoryStore["place"]>>,
    private readonly memoryOf: (windowEndMs: number) => number | undefined,
  ) {}

  async place() {
    return this.at;
  }

  async lastWindowThrough(_: number, timeMs: number) {
    const ends = this.events.map(endOf).filter((end) => end <= timeMs);
    return ends.length === 0 ? undefined : this.#window(Math.max(...ends));
  }

  async windowReaching(_: number, sequence: number, afterMs: number) {
    return [...new Set(this.events.map(endOf))]
      .map((end) => this.#window(end))
      .find(({ windowEndMs, lastSequence }) => windowEndMs > afterMs && lastSequence >= sequence);
  }

  async event(_: number, position: number) {
    return this.events[position - 1];
  }

  async sealedEvent(name: ActorName, windowEndMs: number) {
    return this.#of(name).find((event) => endOf(event) === windowEndMs);
  }

  async *sealedEvents(_: number, afterMs: number, throughMs: number) {
    yield this.events.filter((event) => endOf(event) > afterMs && endOf(event) <= throughMs);
  }

  async eventsAround(_: number, windowEndMs: number, sequence: number, limit: number) {
    return this.events
      .filter((event) => endOf(event) === windowEndMs)
      .filter((event) => Number(field(event, "firstSequence")) <= sequence)
      .filter((event) => Number(field(event, "lastSequence")) >= sequence)
      .slice(0, limit);
  }

  async eventsThrough(name: ActorName, throughMs: number, position: number, limit: number) {
    return this.#through(name, throughMs, position).reverse().slice(0, limit);
  }

  async totals(name: ActorName, throughMs: number, position: number) {
    const found = this.#through(name, throughMs, position);
    const sum = (column: string) =>
      found.reduce((total, event) => total + BigInt(String(field(event, column))), 0n);
    return {
      windows: found.length,
      cdn: sum("cdn"),
      p2p: sum("p2p"),
      sessions: sum("sessions"),
      payloads: sum("payloads"),
      duplicates: sum("duplicates"),
    };
  }

  async *tokensOf(name: ActorName, afterMs: number, throughMs: number) {
    yield tokensOf(
      this.#of(name).filter((event) => endOf(event) > afterMs && endOf(event) <= throughMs),
    );
  }

  async memorySpans(_: number, afterMs: number, throughMs: number) {
    return this.#ends()
      .filter((end) => end > afterMs && end <= throughMs)
      .map((end) => ({ firstEndMs: end, sessionMemoryMs: this.memoryOf(end) }));
  }

  async memoryThrough(_: number, timeMs: number) {
    const end = this.#ends().findLast((end) => end <= timeMs);
    return end === undefined
      ? undefined
      : { windowEndMs: end, sessionMemoryMs: this.memoryOf(end) };
  }

  async rows(name: ActorName, windowEndMs: number) {
    const event = await this.sealedEvent(name, windowEndMs);
    const value = (column: string) =>
      event === undefined ? undefined : BigInt(String(field(event, column)));
    const applied = { statsPosition: this.at.position, sessionsPosition: this.at.position };
    return { cdn: value("cdn"), p2p: value("p2p"), sessions: value("sessions"), ...applied };
  }

  async quarantined() {
    return undefined;
  }

  #ends(): number[] {
    return [...new Set(this.events.map(endOf))].sort((a, b) => a - b);
  }

  #of({ customer, content }: ActorName): RecordedEvent[] {
    return this.events.filter((event) => event.customer === customer && event.content === content);
  }

  #through(name: ActorName, throughMs: number, position: number): RecordedEvent[] {
    return this.#of(name).filter(
      (event) => endOf(event) <= throughMs && event.position <= position,
    );
  }

  #window(windowEndMs: number) {
    const sequences = this.events
      .filter((event) => endOf(event) === windowEndMs)
      .map((event) => Number(field(event, "lastSequence")));
    return { windowEndMs, lastSequence: Math.max(...sequences) };
  }
}
