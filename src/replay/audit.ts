/**
 * Re-runs the function of a partition over the messages that are still there, and compares every
 * event that it gives with the one in the log.
 */
import type {
  Difference,
  HistoryStore,
  ReplayBasis,
  TableAudit,
  TableComparison,
} from "../actors/historyPorts.ts";
import type { RecordedEvent } from "../actors/readPorts.ts";
import type { DomainEvent } from "../domain/events.ts";
import { planReplay } from "./plan.ts";
import { runReplay } from "./run.ts";
import { type Past, tokensOfPartition } from "./sources.ts";
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
}

export async function auditPartition(
  past: Past,
  partition: number,
  range: AuditRange,
  progress: (messages: number) => void = () => {},
): Promise<PartitionAudit> {
  const { rules, history } = past;
  // What is sealed now; what seals meanwhile is left for the next audit.
  const { sealedThroughMs } = await history.place(partition);
  const plan = await planReplay(past, partition, rules, range.fromMs);
  const nothing = { partition, after: null, through: null, messages: 0, payloads: 0, events: 0 };
  if ("reason" in plan) return { ...nothing, basis: plan, differences: [] };
  const afterMs = Math.max(plan.exactFromMs, ceilTo(range.fromMs ?? 0, rules.windowMs));
  const throughMs = Math.min(
    sealedThroughMs,
    ceilTo(range.toMs ?? sealedThroughMs, rules.windowMs),
  );
  if (afterMs >= throughMs) return { ...nothing, basis: plan.basis, differences: [] };
  const comparison = new Comparison(history, partition, afterMs, throughMs);
  let messages = 0;
  const partitionAfter = await runReplay(past, {
    plan,
    rules,
    tokens: (from, through) => tokensOfPartition(past, partition, from, through),
    reading: () => {
      messages++;
      if (messages % progressEvery === 0) progress(messages);
    },
    sealed: async (events) => {
      const endMs = Date.parse(events[0]?.data.windowEnd ?? "");
      if (endMs > afterMs && endMs <= throughMs) await comparison.window(endMs, events);
    },
    untilSealedMs: throughMs,
  });
  await comparison.end();
  progress(messages);
  const { events, differences } = comparison;
  const payloads = partitionAfter.payloadsRead;
  const between = { after: iso(afterMs), through: iso(throughMs) };
  return { partition, basis: plan.basis, ...between, messages, payloads, events, differences };
}

/** Compares the table of every projection with the events that it has applied. */
export async function auditTables(
  { rules }: Pick<Past, "rules">,
  tables: TableAudit,
  { fromMs, toMs }: AuditRange,
): Promise<readonly TableComparison[]> {
  const firstMs = fromMs && ceilTo(fromMs, rules.windowMs);
  const endMs = toMs && ceilTo(toMs, rules.windowMs);
  const compared: TableComparison[] = [];
  for (const table of tables.tables) compared.push(await tables.compare(table, firstMs, endMs));
  return compared;
}

const progressEvery = 10_000;
/** More events about no window than this do not stand in a row. */
const gapMax = 100;

/** Walks along the events of the log while windows come out of the replay. */
class Comparison {
  readonly differences: EventDifference[] = [];
  events = 0;
  readonly #recorded: AsyncIterator<RecordedEvent>;
  #next: RecordedEvent | undefined;
  #started = false;
  #position = 0;

  constructor(
    private readonly history: HistoryStore,
    private readonly partition: number,
    afterMs: number,
    throughMs: number,
  ) {
    this.#recorded = flatten(history.sealedEvents(partition, afterMs, throughMs));
  }

  /** Compares the events of one window, which come in the order of names on both sides. */
  async window(endMs: number, replayed: readonly DomainEvent[]): Promise<void> {
    const recorded = await this.#takeThrough(endMs);
    const own = recorded.filter((event) => Date.parse(event.windowEnd) === endMs);
    for (const event of recorded) if (!own.includes(event)) this.#note("extra", event, []);
    const byName = new Map(own.map((event) => [nameOf(event), event]));
    let last = 0;
    for (const event of replayed) {
      this.events++;
      const found = byName.get(nameOf(event));
      byName.delete(nameOf(event));
      if (found === undefined) {
        this.#note("missing", { ...event, windowEnd: event.data.windowEnd, position: null }, []);
        continue;
      }
      const fields = eventDifferences(found, event);
      if (fields.length > 0) this.#note("different", found, fields);
      if (found.position < last) this.#note("order", found, []);
      last = found.position;
    }
    for (const event of byName.values()) this.#note("extra", event, []);
  }

  /** What the log still holds came out of no window. */
  async end(): Promise<void> {
    for (const event of await this.#takeThrough(Number.POSITIVE_INFINITY)) {
      this.#note("extra", event, []);
    }
  }

  async #takeThrough(endMs: number): Promise<RecordedEvent[]> {
    if (!this.#started) {
      this.#started = true;
      await this.#advance();
    }
    const taken: RecordedEvent[] = [];
    while (this.#next !== undefined && Date.parse(this.#next.windowEnd) <= endMs) {
      taken.push(this.#next);
      await this.#advance();
    }
    return taken;
  }

  async #advance(): Promise<void> {
    const { value, done } = await this.#recorded.next();
    this.#next = done === true ? undefined : value;
    if (this.#next === undefined) return;
    const { position } = this.#next;
    if (this.#position > 0 && !(await this.#follows(position))) this.#note("order", this.#next, []);
    this.#position = position;
  }

  /** Between two windows there may be events that are about none. */
  async #follows(position: number): Promise<boolean> {
    if (position <= this.#position || position > this.#position + gapMax) return false;
    for (let between = this.#position + 1; between < position; between++) {
      if ((await this.history.event(this.partition, between)) === undefined) return false;
    }
    return true;
  }

  #note(
    kind: EventDifference["kind"],
    event: Pick<RecordedEvent, "windowEnd" | "customer" | "content"> & { position: number | null },
    fields: readonly Difference[],
  ): void {
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

function nameOf({ customer, content }: { customer: string; content: string }): string {
  return JSON.stringify([customer, content]);
}

function ceilTo(timeMs: number, unitMs: number): number {
  return Math.ceil(timeMs / unitMs) * unitMs;
}

function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
