/**
 * The projections as they are meant: tables, and for each partition the position up to which its
 * events are in them, as `apply_events` moves them.
 */
import type { Random } from "../../src/simulator/random.ts";
import type { NaiveRow } from "../support/naiveModel.ts";
import type { Database } from "./database.ts";

/** How far the events of a partition are in the tables. */
interface ProjectedThrough {
  readonly position: number;
  /** Of the partition, as soon as all of its events are in the tables. */
  readonly sealedThroughMs: number;
}

export class ProjectorModel {
  /** Rows by `[windowEndMs, customer, content]` as JSON. */
  readonly rows = new Map<string, NaiveRow & { readonly partition: number }>();
  readonly #through = new Map<number, ProjectedThrough>();

  constructor(
    private readonly database: Database,
    private readonly random: Random,
  ) {}

  through(partition: number): ProjectedThrough {
    return this.#through.get(partition) ?? { position: 0, sealedThroughMs: 0 };
  }

  /**
   * Applies events that were not applied yet, in the order of their positions. Partitions that lag
   * behind share the number evenly, and each may go on by one.
   */
  step(eventsMax = 1 + this.random.below(5)): { applied: number; behind: number } {
    const lagging = this.database.rows.filter((row) => {
      const { position, sealedThroughMs } = this.through(row.partition);
      return position !== row.position || sealedThroughMs !== row.sealedThroughMs;
    });
    const share = Math.max(Math.floor(eventsMax / lagging.length), 1);
    let [applied, behind] = [0, 0];
    for (const { partition, events, position: goal, sealedThroughMs } of lagging) {
      const before = this.through(partition);
      const position = Math.min(goal, before.position + share);
      for (const { event, windowEndMs } of events.slice(before.position, position)) {
        const { customer, content, data } = event;
        const name = JSON.stringify([windowEndMs, customer, content]);
        if (this.rows.has(name)) throw new Error(`${name} is in the table already`);
        this.rows.set(name, {
          partition,
          cdn: BigInt(data.cdn),
          p2p: BigInt(data.p2p),
          sessions: data.sessions,
          payloads: data.payloads,
        });
      }
      const sealed = position === goal ? sealedThroughMs : before.sealedThroughMs;
      this.#through.set(partition, { position, sealedThroughMs: sealed });
      applied += position - before.position;
      behind += goal - position;
    }
    return { applied, behind };
  }

  /** The rows of one partition. */
  rowsOf(partition: number): Map<string, NaiveRow> {
    const own = [...this.rows].filter(([, row]) => row.partition === partition);
    return new Map(own.map(([name, { partition: _, ...row }]) => [name, row]));
  }
}
