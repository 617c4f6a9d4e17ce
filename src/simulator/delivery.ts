/**
 * Delivers one request, retries included, and says what that makes of its payloads. A request that
 * may have reached the log is "unknown" until an answer says more. Repeats are harmless under an
 * Idempotency-Key as long as the key is remembered: two windows.
 */
import { parseJson } from "../domain/json.ts";
import { isRefusedConnection } from "../errorCode.ts";
import type { Counted } from "./expectation.ts";
import type { Tallies } from "./tallies.ts";

export interface Message {
  readonly path: "/stats" | "/stats/batch";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** What became of an attempt or of a whole delivery. */
export interface Outcome {
  /** `refused`: surely not counted. */
  readonly result: Counted | "refused";
  readonly fromMs: number;
  readonly toMs: number;
  /** The answer's body, when it was acknowledged. */
  readonly answer: unknown;
}

type Attempt =
  | { readonly kind: "acknowledged"; readonly answer: unknown }
  | { readonly kind: "refused" }
  | { readonly kind: "later"; readonly mayBeStored: boolean; readonly waitMs: number }
  | { readonly kind: "unanswered" };

/** After an answer that never came, the broker may still get the payload for this long. */
const lateMs = 5_000;
/** Where nothing listens, for example while the server restarts. */
const unreachableWaitMs = 500;
const waitMsMax = 5_000;

export class Courier {
  readonly #attemptMsMax: number;
  readonly #retryMsMax: number;

  constructor(
    private readonly url: string,
    windowMs: number,
    private readonly tallies: Tallies,
    /** Once it is aborted, nothing is retried any more. */
    private readonly end: AbortSignal,
  ) {
    // The last attempt has to end while the key of the first is still remembered.
    this.#attemptMsMax = Math.max(1_000, Math.min(windowMs, 10_000));
    this.#retryMsMax = 2 * windowMs - this.#attemptMsMax;
  }

  /**
   * Sends a message, and again as long as the answer asks for it. Resolves with the last outcome.
   * @param key the Idempotency-Key of all attempts. Without one, an attempt that may have been
   *   stored is reported as an outcome of its own, and the retry is sent under `retryKey`.
   */
  async deliver(
    message: Message,
    key: string | undefined,
    retryKey: string,
    report: (outcome: Outcome) => void,
  ): Promise<Outcome> {
    const firstMs = Date.now();
    let fromMs = firstMs;
    let usedKey = key;
    let mayBeStored = false;
    for (;;) {
      const attempt = await this.#attempt(message, usedKey);
      const toMs = Date.now();
      const settle = (result: Outcome["result"], answer?: unknown) => {
        const untilMs = result === "unknown" ? toMs + lateMs : toMs;
        const outcome = { result, fromMs, toMs: untilMs, answer };
        report(outcome);
        return outcome;
      };
      if (attempt.kind === "acknowledged") return settle("acknowledged", attempt.answer);
      if (attempt.kind === "unanswered") return settle("unknown");
      if (attempt.kind === "refused") return settle(mayBeStored ? "unknown" : "refused");
      mayBeStored ||= attempt.mayBeStored;
      if (this.end.aborted || toMs + attempt.waitMs - firstMs > this.#retryMsMax) {
        return settle(mayBeStored ? "unknown" : "refused");
      }
      if (usedKey === undefined && mayBeStored) {
        settle("unknown");
        mayBeStored = false;
        fromMs = toMs + attempt.waitMs;
      }
      usedKey ??= retryKey;
      this.tallies.retries++;
      await Bun.sleep(attempt.waitMs);
    }
  }

  async #attempt(message: Message, key: string | undefined): Promise<Attempt> {
    const startedMs = performance.now();
    try {
      const response = await fetch(`${this.url}${message.path}`, {
        method: "POST",
        headers: { ...message.headers, ...(key !== undefined && { "idempotency-key": key }) },
        body: message.body,
        signal: AbortSignal.timeout(this.#attemptMsMax),
        // On a kept connection that was closed meanwhile, it would be tried again behind our back.
        keepalive: key !== undefined,
      });
      const text = await response.text();
      this.tallies.latencies.add(performance.now() - startedMs);
      return judge(response, text);
    } catch (error) {
      if (isRefusedConnection(error)) {
        return { kind: "later", mayBeStored: false, waitMs: unreachableWaitMs };
      }
      return { kind: "unanswered" };
    }
  }
}

function judge(response: Response, text: string): Attempt {
  const { status } = response;
  if (status === 202) return { kind: "acknowledged", answer: parseJson(text) };
  if (status === 429 || status === 503) {
    const seconds = Number(response.headers.get("retry-after") ?? "1");
    const waitMs = Math.min(waitMsMax, (Number.isFinite(seconds) ? seconds : 1) * 1_000);
    // 429 is an answer of the door; 503 may also follow a publish of unknown outcome.
    return { kind: "later", mayBeStored: status === 503, waitMs };
  }
  return status >= 500 ? { kind: "unanswered" } : { kind: "refused" };
}
