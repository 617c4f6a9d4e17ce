/**
 * Stands between some of the devices and the service: gathers their payloads for a moment and
 * sends them as one gzipped NDJSON batch under an Idempotency-Key of its own. Every tenth batch is
 * sent twice, which must not count.
 */
import { Semaphore } from "../semaphore.ts";
import type { DuePayload } from "./audience.ts";
import type { Courier, Message, Outcome } from "./delivery.ts";
import type { Tallies } from "./tallies.ts";

interface Row {
  readonly due: DuePayload;
  readonly settle: (outcome: Outcome) => void;
}

const gatherMs = 200;
const rowsMax = 500;
const batchesInFlightMax = 8;
const repeatEvery = 10;

export class Collector {
  readonly #places = new Semaphore(batchesInFlightMax);
  #rows: Row[] = [];
  #timer: NodeJS.Timeout | undefined;
  #batches = 0;

  constructor(
    private readonly courier: Courier,
    /** Makes the keys of its batches differ from those of other runs. */
    private readonly name: string,
    private readonly tallies: Tallies,
  ) {}

  /** Resolves when it is known what became of the payload. */
  send(due: DuePayload): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#rows.push({ due, settle: resolve });
    if (this.#rows.length >= rowsMax) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), gatherMs);
    return promise;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const rows = this.#rows;
    this.#rows = [];
    if (rows.length > 0) void this.#post(rows);
  }

  async #post(rows: readonly Row[]): Promise<void> {
    await this.#places.acquire();
    const number = this.#batches++;
    const key = `${this.name}-${number}`;
    const lines = rows.map(({ due }) => `${JSON.stringify(due.payload)}\n`).join("");
    const message: Message = {
      path: "/stats/batch",
      headers: { "content-type": "application/x-ndjson", "content-encoding": "gzip" },
      body: Bun.gzipSync(lines),
    };
    const outcome = await this.courier.deliver(message, key, key, () => {});
    const acknowledged = outcome.result === "acknowledged";
    const refused = acknowledged ? refusedRows(outcome.answer) : new Set<number>();
    for (const [index, row] of rows.entries()) {
      row.settle(refused.has(index) ? { ...outcome, result: "refused" } : outcome);
    }
    if (acknowledged && number % repeatEvery === 0) {
      this.tallies.repeats += rows.length;
      await this.courier.deliver(message, key, key, () => {});
    }
    this.#places.release();
  }
}

/** The indexes of the rows that the answer to a batch lists as refused. */
function refusedRows(answer: unknown): ReadonlySet<number> {
  const indexes = new Set<number>();
  if (typeof answer !== "object" || answer === null || !("errors" in answer)) return indexes;
  for (const error of Array.isArray(answer.errors) ? answer.errors : []) {
    if (typeof error?.index === "number") indexes.add(error.index);
  }
  return indexes;
}
