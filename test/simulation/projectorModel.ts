/**
 * The projections as they are meant: tables, and for each partition the position up to which its
 * events are in them. The real projector is SQL, and is tested with a database.
 */
import type { Random } from "../../src/simulator/random.ts";
import type { NaiveRow } from "../support/naiveModel.ts";
import type { Database } from "./database.ts";

export class ProjectorModel {
  /** Rows by `[windowEndMs, customer, content]` as JSON. */
  readonly rows = new Map<string, NaiveRow & { readonly partition: number }>();
  readonly #positions = new Map<number, number>();

  constructor(
    private readonly database: Database,
    private readonly random: Random,
  ) {}

  /** Applies some of the events that were not applied yet, in the order of their positions. */
  step(eventsMax = 1 + this.random.below(5)): void {
    for (const { partition, events } of this.database.rows) {
      const position = this.#positions.get(partition) ?? 0;
      const batch = events.slice(position, position + eventsMax);
      for (const { event, windowEndMs } of batch) {
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
      this.#positions.set(partition, position + batch.length);
    }
  }

  /** The rows of one partition. */
  rowsOf(partition: number): Map<string, NaiveRow> {
    const own = [...this.rows].filter(([, row]) => row.partition === partition);
    return new Map(own.map(([name, { partition: _, ...row }]) => [name, row]));
  }
}
