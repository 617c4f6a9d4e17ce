/**
 * What is checked while a simulation runs, and what happened in it. It sees every grant and every
 * commit at the instant it takes effect, and knows nothing of how the fence is made.
 */
import type { Commit } from "../../src/actors/ports.ts";
import type { Coverage } from "./coverage.ts";
import type { PartitionRow } from "./partitionRow.ts";

interface Committed {
  readonly epoch: number;
  readonly sequence: number;
  readonly position: number;
  readonly sealedThroughMs: number;
}

const nothing: Committed = { epoch: 0, sequence: 0, position: 0, sealedThroughMs: 0 };

export class Audit {
  readonly violations: string[] = [];
  /** Partitions that were halted at some time, and why. */
  readonly halts: { readonly partition: number; readonly reason: string }[] = [];
  readonly #owners = new Map<string, string>();
  /** The last epoch granted, by partition. */
  readonly #granted = new Map<number, number>();
  readonly #last = new Map<number, Committed>();

  constructor(private readonly coverage: Coverage) {}

  violated(what: string): void {
    this.violations.push(what);
  }

  granted(partition: number, epoch: number, worker: string): void {
    if (epoch <= (this.#granted.get(partition) ?? 0)) {
      this.violated(`partition ${partition}: epoch ${epoch} granted twice`);
    }
    this.#granted.set(partition, epoch);
    this.#owners.set(`${partition}.${epoch}`, worker);
  }

  committed(commit: Commit, row: PartitionRow): void {
    const { partition, epoch, owner } = commit;
    const before = this.#last.get(partition) ?? nothing;
    const now = { epoch, ...pick(row) };
    const wrong = (what: string) =>
      this.violated(`partition ${partition}: ${what} (epoch ${epoch}, ${owner})`);
    if (this.#owners.get(`${partition}.${epoch}`) !== owner) wrong("a commit of no owner");
    if (epoch !== this.#granted.get(partition)) wrong("a commit after the next owner's grant");
    if (epoch < before.epoch) wrong("a commit after the next owner's");
    if (now.sequence < before.sequence) wrong("the sequence went back");
    if (now.position !== before.position + commit.events.length) wrong("a gap of positions");
    if (row.events.length !== now.position) wrong("the events do not end at the position");
    if (now.sealedThroughMs < before.sealedThroughMs) wrong("sealedThrough went back");
    this.#checkWindows(commit, before, now, wrong);
    this.#last.set(partition, now);
    this.coverage.count(commit.events.length > 0 ? "commit: events" : "commit: checkpoint");
    if (epoch !== before.epoch && before.epoch > 0) this.coverage.count("commit: next owner");
  }

  #checkWindows(commit: Commit, before: Committed, now: Committed, wrong: (what: string) => void) {
    const names = commit.events.map(({ customer, content }) => [customer, content]);
    if (!Bun.deepEquals(names, names.toSorted(byName))) wrong("events not in the order of names");
    const ends = new Set(commit.events.map(({ data }) => data.windowEnd));
    if (ends.size > 1) wrong("two windows in one commit");
    for (const end of ends) {
      const endMs = Date.parse(end);
      if (endMs <= before.sealedThroughMs) wrong(`window ${end} was sealed before`);
      if (endMs > now.sealedThroughMs) wrong(`window ${end} is sealed ahead of sealedThrough`);
    }
    for (const { data } of commit.events) {
      if (data.lastSequence > now.sequence) wrong("an event ahead of the checkpoint");
    }
  }

  purged(partition: number, sequence: number): void {
    this.coverage.count("purge");
    if (sequence <= (this.#last.get(partition) ?? nothing).sequence) return;
    this.violated(`partition ${partition}: purged up to ${sequence}, which is not committed`);
  }

  halted(partition: number, epoch: number, reason: string): void {
    // One that went to sleep and lost its partition may find that its successor has trimmed the
    // stream. Nobody listens to it any more.
    const stale = epoch !== this.#granted.get(partition);
    this.coverage.count(stale ? "halt of a former owner" : "halt");
    if (!stale) this.halts.push({ partition, reason });
  }
}

function byName([a = "", b = ""]: readonly string[], [c = "", d = ""]: readonly string[]): number {
  if (a !== c) return a < c ? -1 : 1;
  return b < d ? -1 : 1;
}

function pick({ sequence, position, sealedThroughMs }: PartitionRow) {
  return { sequence, position, sealedThroughMs };
}
