/**
 * Re-runs the function of a partition over the messages that are still there, and compares every
 * event that it gives with the one in the log.
 */
import type { Difference, ReplayBasis } from "../actors/historyPorts.ts";
import type { RecordedEvent } from "../actors/readPorts.ts";
import { nameKey } from "../domain/actorName.ts";
import { formatDuration } from "../domain/duration.ts";
import type { DomainEvent } from "../domain/events.ts";
import { ceilTo } from "../domain/windows.ts";
import { whileDropped } from "./dropped.ts";
import { isNewMemory, type Stretch, stretchesOf } from "./memories.ts";
import { planReplay, type ReplayPlan } from "./plan.ts";
import { runReplay } from "./run.ts";
import type { Past } from "./sources.ts";
import { eventDifferences } from "./views.ts";

export interface AuditRange {
  /** Windows that start at or after this time, epoch ms, and before the other. */
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

/**
 * `missing`: the payloads give an event that the log lacks. `extra`: the log has one that they do
 * not give. `order`: its position is not the next one.
 */
export interface EventDifference {
  readonly kind: "missing" | "extra" | "different" | "order";
  readonly partition: number;
  readonly position: number | null;
  readonly windowEnd: string;
  readonly customer: string;
  readonly content: string;
  readonly fields: readonly Difference[];
}

export interface PartitionAudit {
  readonly partition: number;
  readonly basis: ReplayBasis;
  /** Events of windows that end after and through these times were compared; null when none. */
  readonly after: string | null;
  readonly through: string | null;
  readonly messages: number;
  readonly payloads: number;
  readonly events: number;
  readonly differences: readonly EventDifference[];
  /** How many there are; `differences` holds the first of them. */
  readonly differencesTotal: number;
  /** The memories of tokens that the windows were counted with, each from a time on. */
  readonly sessionMemory: readonly { readonly value: string; readonly from: string }[];
}

export function auditPartition(
  past: Past,
  partition: number,
  range: AuditRange,
  progress: (messages: number, of: number) => void = () => {},
): Promise<PartitionAudit> {
  return whileDropped(past.clock, () => auditRetained(past, partition, range, progress));
}

async function auditRetained(
  past: Past,
  partition: number,
  range: AuditRange,
  progress: (messages: number, of: number) => void,
): Promise<PartitionAudit> {
  const { rules, history } = past;
  // What is sealed now; what seals meanwhile is left for the next audit.
  const { sealedThroughMs } = await history.place(partition);
  const plan = await planReplay(past, partition, rules, range.fromMs);
  const audit = { partition, ...emptyCounts, after: null, through: null, sessionMemory: [] };
  if ("reason" in plan) return { ...audit, basis: plan };
  const afterMs = Math.max(plan.exactFromMs, ceilTo(range.fromMs ?? 0, rules.windowMs));
  const throughMs = Math.min(
    sealedThroughMs,
    ceilTo(range.toMs ?? sealedThroughMs, rules.windowMs),
  );
  if (afterMs >= throughMs) return { ...audit, basis: plan.basis };
  const stretches = await stretchesOf(past, partition, afterMs, throughMs);
  const differences: EventDifference[] = [];
  const counts = { ...emptyCounts, differences };
  const of = plan.lastSequence - plan.fromSequence + 1;
  for (const stretch of stretches) {
    const found = await auditStretch(past, partition, stretch, {
      // The first one may start where the stream does, before what comes out exactly.
      plan: stretch === stretches[0] && !(await isNew(past, partition, stretch)) ? plan : undefined,
      progress: (messages) => progress(Math.min(counts.messages + messages, of), of),
    });
    counts.messages += found.messages;
    counts.payloads += found.payloads;
    counts.events += found.events;
    counts.differencesTotal += found.differencesTotal;
    differences.push(...found.differences.slice(0, differencesMax - differences.length));
  }
  const between = { after: iso(afterMs), through: iso(throughMs) };
  return { partition, basis: plan.basis, ...between, ...counts, sessionMemory: shown(stretches) };
}

function isNew(past: Past, partition: number, { fromMs, sessionMemoryMs }: Stretch) {
  return isNewMemory(past, partition, fromMs, sessionMemoryMs);
}

type Counts = Pick<
  PartitionAudit,
  "messages" | "payloads" | "events" | "differences" | "differencesTotal"
>;
const emptyCounts: Counts = {
  messages: 0,
  payloads: 0,
  events: 0,
  differences: [],
  differencesTotal: 0,
};

function shown(stretches: readonly Stretch[]): PartitionAudit["sessionMemory"] {
  return stretches.map(({ sessionMemoryMs, fromMs }) => ({
    value: formatDuration(sessionMemoryMs),
    from: iso(fromMs),
  }));
}

/** Windows that were counted with one memory of tokens. */
async function auditStretch(
  past: Past,
  partition: number,
  { sessionMemoryMs, fromMs: afterMs, throughMs, mixedEndMs }: Stretch,
  { plan: given, progress }: { plan: ReplayPlan | undefined; progress: (messages: number) => void },
): Promise<Counts> {
  const rules = { ...past.rules, sessionMemoryMs };
  const plan = given ?? (await planReplay(past, partition, rules, afterMs, true));
  // Messages are retained while an audit runs, or else the partition has halted meanwhile.
  if ("reason" in plan) throw new Error(`partition ${partition}: ${plan.reason}`);
  const recorded = past.history.sealedEvents(partition, afterMs, throughMs);
  const comparison = new Comparison(partition, recorded);
  let messages = 0;
  const partitionAfter = await runReplay(past, {
    plan,
    rules,
    reading: () => {
      messages++;
      if (messages % progressEvery === 0) progress(messages);
    },
    sealed: async (events) => {
      const endMs = Date.parse(events[0]?.data.windowEnd ?? "");
      if (endMs <= afterMs || endMs > throughMs) return;
      await comparison.window(endMs, events, endMs === mixedEndMs);
    },
    untilSealedMs: throughMs,
  });
  await comparison.end();
  progress(messages);
  const { events, differences, differencesTotal } = comparison;
  const payloads = partitionAfter.payloadsRead;
  return { messages, payloads, events, differences, differencesTotal };
}

/** A log that was made by other rules differs everywhere: more than this nobody reads. */
const differencesMax = 1_000;
const progressEvery = 100;

/** Walks along the events of the log while windows come out of the replay. */
class Comparison {
  readonly differences: EventDifference[] = [];
  differencesTotal = 0;
  events = 0;
  readonly #recorded: AsyncIterator<RecordedEvent, undefined>;
  /** The next event of the log; undefined before the first was asked for. */
  #next: IteratorResult<RecordedEvent, undefined> | undefined;
  #position = 0;

  constructor(
    private readonly partition: number,
    recorded: AsyncIterable<readonly RecordedEvent[]>,
  ) {
    this.#recorded = flatten(recorded);
  }

  /**
   * Compares the events of one window, which come in the order of names on both sides.
   * @param isMixed its sessions were counted under two memories of tokens.
   */
  async window(endMs: number, replayed: readonly DomainEvent[], isMixed: boolean): Promise<void> {
    const byName = new Map<string, RecordedEvent>();
    for await (const event of this.#through(endMs)) {
      // Events of windows that the payloads know nothing of come before those of this one.
      if (Date.parse(event.windowEnd) === endMs) byName.set(nameKey(event), event);
      else this.#note("extra", event, []);
    }
    let last = 0;
    for (const event of replayed) {
      this.events++;
      const found = byName.get(nameKey(event));
      byName.delete(nameKey(event));
      if (found === undefined) {
        this.#note("missing", { ...event, windowEnd: event.data.windowEnd, position: null }, []);
        continue;
      }
      const fields = eventDifferences(found, event, isMixed);
      if (fields.length > 0) this.#note("different", found, fields);
      if (found.position < last) this.#note("order", found, []);
      last = found.position;
    }
    for (const event of byName.values()) this.#note("extra", event, []);
  }

  /** What the log still holds came out of no window. */
  async end(): Promise<void> {
    for await (const event of this.#through(Number.POSITIVE_INFINITY)) {
      this.#note("extra", event, []);
    }
  }

  /** The events of the log, up to those of a window; one at a time, since they may be many. */
  async *#through(endMs: number): AsyncGenerator<RecordedEvent> {
    this.#next ??= await this.#recorded.next();
    for (let event = this.#next.value; event !== undefined; event = this.#next.value) {
      if (Date.parse(event.windowEnd) > endMs) return;
      const { position } = event;
      // An accepted loss takes a position too, but lies before all windows that are replayed.
      if (this.#position > 0 && position !== this.#position + 1) this.#note("order", event, []);
      this.#position = position;
      yield event;
      this.#next = await this.#recorded.next();
    }
  }

  #note(
    kind: EventDifference["kind"],
    event: Pick<RecordedEvent, "windowEnd" | "customer" | "content"> & { position: number | null },
    fields: readonly Difference[],
  ): void {
    if (++this.differencesTotal > differencesMax) return;
    const { position, windowEnd, customer, content } = event;
    const { partition } = this;
    this.differences.push({ kind, partition, position, windowEnd, customer, content, fields });
  }
}

async function* flatten(
  pages: AsyncIterable<readonly RecordedEvent[]>,
): AsyncGenerator<RecordedEvent, undefined> {
  for await (const page of pages) yield* page;
  return undefined;
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
