/** Sends what the audience produces, when it is due, and records how it was answered. */
import { Semaphore } from "../semaphore.ts";
import type { Audience, DuePayload } from "./audience.ts";
import { Collector } from "./collector.ts";
import type { Courier, Message, Outcome } from "./delivery.ts";
import type { Expectation } from "./expectation.ts";
import type { Tallies } from "./tallies.ts";

interface FleetOptions {
  /** How many times faster than the clock the devices' time passes. */
  readonly speed: number;
  readonly connections: number;
  readonly runName: string;
}

/** Payloads that may wait in the collector or in its batches. */
const collectedMax = 10_000;
/** How often it looks for what is due. */
const lookEveryMs = 5;

export class Fleet {
  readonly #connections: Semaphore;
  readonly #collected = new Semaphore(collectedMax);
  readonly #collector: Collector;
  /** The payload of each device that is on its way; the next one waits for it. */
  readonly #busy = new Map<number, Promise<void>>();
  #lateMs = 0;

  constructor(
    private readonly audience: Audience,
    private readonly courier: Courier,
    private readonly expectation: Expectation,
    private readonly tallies: Tallies,
    private readonly options: FleetOptions,
  ) {
    this.#connections = new Semaphore(options.connections);
    this.#collector = new Collector(courier, `${options.runName}-batch`, tallies);
  }

  /** How far sending lags behind the devices, in ms of real time. */
  get lateMs(): number {
    return this.#lateMs;
  }

  /** Sends until the signal, then waits for what is on its way. */
  async run(end: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    while (!end.aborted) {
      const elapsedMs = performance.now() - startedMs;
      const due = this.audience.take(elapsedMs * this.options.speed);
      if (due === undefined) {
        this.#lateMs = 0;
        await Bun.sleep(lookEveryMs);
      } else {
        this.#lateMs = elapsedMs - due.atMs / this.options.speed;
        await this.#dispatch(due);
      }
    }
    await Promise.all(this.#busy.values());
  }

  /** A device sends one payload at a time, so the order of a session's payloads is known. */
  async #dispatch(due: DuePayload): Promise<void> {
    const places = due.batched ? this.#collected : this.#connections;
    await places.acquire();
    const before = this.#busy.get(due.device);
    const sent = (async () => {
      await before;
      await (due.batched ? this.#sendBatched(due) : this.#sendSingle(due));
      places.release();
    })();
    this.#busy.set(due.device, sent);
    void sent.then(() => {
      if (this.#busy.get(due.device) === sent) this.#busy.delete(due.device);
    });
  }

  async #sendBatched(due: DuePayload): Promise<void> {
    this.#record(due, await this.#collector.send(due));
  }

  async #sendSingle(due: DuePayload): Promise<void> {
    // navigator.sendBeacon cannot send application/json.
    const type = due.device % 10 === 0 ? "text/plain;charset=UTF-8" : "application/json";
    const message: Message = {
      path: "/stats",
      headers: { "content-type": type },
      body: JSON.stringify(due.payload),
    };
    const retryKey = due.key ?? crypto.randomUUID();
    const { result } = await this.courier.deliver(message, due.key, retryKey, (outcome) =>
      this.#record(due, outcome),
    );
    if (due.repeated && result === "acknowledged") {
      this.tallies.repeats++;
      await this.courier.deliver(message, due.key, retryKey, () => {});
    }
  }

  #record(due: DuePayload, outcome: Outcome): void {
    const { result, fromMs, toMs } = outcome;
    this.tallies[result]++;
    if (result !== "refused") this.expectation.add(due.payload, due.visit, result, fromMs, toMs);
  }
}
