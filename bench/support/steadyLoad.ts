/** Sends payloads of a fixed audience at a fixed rate, and keeps the books. */
import { audience } from "./backlog.ts";

/** Requests under way; beyond it nothing is sent, and the rate is not held. */
const requestsMax = 256;
const stepMs = 5;

export interface SteadyBooks {
  readonly sent: number;
  readonly accepted: number;
  /** Payloads of requests that were refused or not answered. */
  readonly refused: number;
  /** Payloads that were not sent in their time, since too many requests were under way. */
  readonly held: number;
}

export class SteadyLoad {
  readonly #bodies: readonly string[];
  readonly #requests = new Set<Promise<void>>();
  #books: SteadyBooks = { sent: 0, accepted: 0, refused: 0, held: 0 };

  /** One row a request is sent as a device would; more are sent as NDJSON. */
  constructor(
    private readonly url: string,
    private readonly payloadsASecond: number,
    private readonly rows: number,
  ) {
    const texts = [...audience(100_000, 50_000, 2_000)].map((payload) => JSON.stringify(payload));
    this.#bodies = Array.from({ length: Math.floor(texts.length / rows) }, (_, i) =>
      texts.slice(i * rows, (i + 1) * rows).join("\n"),
    );
  }

  get books(): SteadyBooks {
    return this.#books;
  }

  /** Resolves when the last request has been answered. */
  async run(signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    let due = 0;
    while (!signal.aborted) {
      const target = ((performance.now() - startMs) / 1_000) * this.payloadsASecond;
      for (; due < target; due += this.rows) {
        if (this.#requests.size >= requestsMax) this.#add({ held: this.rows });
        else this.#post(this.#bodies[(due / this.rows) % this.#bodies.length] ?? "");
      }
      await Bun.sleep(stepMs);
    }
    await Promise.all(this.#requests);
  }

  #post(body: string): void {
    this.#add({ sent: this.rows });
    const single = this.rows === 1;
    const request = fetch(`${this.url}${single ? "/stats" : "/stats/batch"}`, {
      method: "POST",
      headers: { "content-type": single ? "application/json" : "application/x-ndjson" },
      body,
    }).then(
      async (answer) => {
        await answer.arrayBuffer();
        this.#add(answer.status === 202 ? { accepted: this.rows } : { refused: this.rows });
      },
      () => this.#add({ refused: this.rows }),
    );
    this.#requests.add(request);
    void request.finally(() => this.#requests.delete(request));
  }

  #add(more: Partial<SteadyBooks>): void {
    const { sent, accepted, refused, held } = this.#books;
    this.#books = {
      sent: sent + (more.sent ?? 0),
      accepted: accepted + (more.accepted ?? 0),
      refused: refused + (more.refused ?? 0),
      held: held + (more.held ?? 0),
    };
  }
}
