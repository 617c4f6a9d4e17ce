/**
 * The devices: posts at a steady rate to all ingest processes, as behind a load balancer. Whoever
 * got no answer tries again only under an Idempotency-Key, and only as long as the key is surely
 * remembered. Some requests with a key are sent twice on purpose.
 */
import type { Random } from "../../simulator/random.ts";
import type { Fate, PostedPayload, SentPayload } from "../verifier/posted.ts";
import { type PayloadMaker, payloadJson } from "./payloads.ts";
import { type Answer, type Body, post } from "./post.ts";

interface LoadOptions {
  readonly urls: readonly string[];
  readonly payloadsPerSecond: number;
  readonly windowMs: number;
}

/** Requests under way at a time; beyond it, devices are left out. */
const inFlightMax = 180;
const payloadsPerRequest = 6;
const batchPayloadsMax = 20;
const invalidRow = '{"token":"","customer":"Customer1","p2p":-1}';

export class Load {
  readonly posted: PostedPayload[] = [];
  requests = 0;
  /** Answers that contradict the contract, like a refusal of a good payload. */
  readonly wrongAnswers: string[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  #next = 0;
  #keys = 0;

  constructor(
    private readonly random: Random,
    private readonly maker: PayloadMaker,
    private readonly options: LoadOptions,
  ) {}

  /** Sends until the signal is aborted, and resolves when all that was sent is settled. */
  async run(signal: AbortSignal): Promise<void> {
    const everyMs = (1_000 * payloadsPerRequest) / this.options.payloadsPerSecond;
    let dueMs = performance.now();
    while (!signal.aborted) {
      for (; dueMs <= performance.now(); dueMs += everyMs) {
        if (this.#inFlight.size >= inFlightMax) continue;
        const request = this.#request();
        this.#inFlight.add(request);
        void request.finally(() => this.#inFlight.delete(request));
      }
      await Bun.sleep(Math.max(1, dueMs - performance.now()));
    }
    await Promise.all(this.#inFlight);
  }

  /**
   * Posts one payload for each of `actors` in one batch, once. Says whether it was acknowledged.
   */
  async probe(actors: readonly (readonly [string, string])[], timeoutMs: number): Promise<boolean> {
    const payloads = actors.map((actor) => this.#record(this.maker.make(false, actor)));
    const answer = await post(this.#url(), batchBody(payloads, 0, false), undefined, timeoutMs);
    settle(payloads, answer);
    return answer.kind === "acknowledged";
  }

  /** Posts one payload for an actor; its receipt, when it was acknowledged. */
  async single(actor: readonly [string, string], timeoutMs: number): Promise<string | undefined> {
    const payload = this.#record(this.maker.make(false, actor));
    const answer = await post(this.#url(), singleBody(payload, 0), undefined, timeoutMs);
    settle([payload], answer);
    return answer.kind === "acknowledged" ? answer.receipt : undefined;
  }

  async #request(): Promise<void> {
    const { random } = this;
    const keyed = random.chance(0.4);
    const single = random.chance(0.5);
    const count = single ? 1 : 2 + random.below(batchPayloadsMax);
    const payloads = Array.from({ length: count }, () => this.#record(this.maker.make(keyed)));
    const form = random.uniform();
    const [first] = payloads;
    if (first === undefined) return;
    const body = single ? singleBody(first, form) : batchBody(payloads, form, random.chance(0.05));
    const key = keyed ? `chaos-${++this.#keys}` : undefined;
    await this.#deliver(payloads, body, key);
    if (key === undefined || !random.chance(0.3)) return;
    await Bun.sleep(random.uniform() * 0.3 * this.options.windowMs);
    settle(payloads, await this.#attempt(body, key));
  }

  /** Tries again as long as that can neither count twice nor come too late for the key. */
  async #deliver(payloads: PostedPayload[], body: Body, key: string | undefined): Promise<void> {
    const end = performance.now() + 0.5 * this.options.windowMs;
    for (let pauseMs = 20; ; pauseMs = Math.min(500, pauseMs * 2)) {
      const answer = await this.#attempt(body, key);
      settle(payloads, answer);
      if (answer.kind === "refused") {
        this.wrongAnswers.push(`${body.path} refused with ${answer.status}: ${body.text}`);
      }
      if (answer.kind === "acknowledged" || answer.kind === "refused") return;
      if (answer.kind === "unanswered" && key === undefined) return;
      if (performance.now() + pauseMs > end) return;
      await Bun.sleep(pauseMs);
    }
  }

  async #attempt(body: Body, key: string | undefined): Promise<Answer> {
    this.requests++;
    const timeoutMs = Math.min(2_500, 0.5 * this.options.windowMs);
    return await post(this.#url(), body, key, timeoutMs);
  }

  #record(payload: SentPayload): PostedPayload {
    // Until something is heard, nothing was taken.
    const posted: PostedPayload = { ...payload, fate: "refused", receipts: [] };
    this.posted.push(posted);
    return posted;
  }

  #url(): string {
    const { urls } = this.options;
    return urls[this.#next++ % urls.length] ?? "";
  }
}

/** What was acknowledged once stays so; what may have been taken once stays open. */
function settle(payloads: readonly PostedPayload[], answer: Answer): void {
  for (const payload of payloads) {
    if (answer.kind === "acknowledged") {
      payload.fate = "acknowledged";
      if (answer.receipt !== undefined) payload.receipts.push(answer.receipt);
    } else if (answer.kind === "unanswered" && payload.fate === "refused") {
      payload.fate = "unanswered" satisfies Fate;
    }
  }
}

function singleBody(payload: SentPayload, form: number): Body {
  const type = form < 0.3 ? "text/plain" : "application/json";
  return { path: "/stats", type, text: payloadJson(payload), gzip: false };
}

function batchBody(payloads: readonly SentPayload[], form: number, withInvalid: boolean): Body {
  const rows = payloads.map(payloadJson);
  // A bad row is refused and changes nothing for the good ones.
  if (withInvalid) rows.push(invalidRow);
  const path = "/stats/batch";
  if (form < 0.4) {
    return { path, type: "application/json", text: `[${rows.join(",")}]`, gzip: form < 0.1 };
  }
  return { path, type: "application/x-ndjson", text: rows.join("\n"), gzip: form > 0.7 };
}
