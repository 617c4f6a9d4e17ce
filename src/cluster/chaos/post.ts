/** One POST, and what its answer means for the payloads in it. */
import { isRefusedConnection } from "../../errorCode.ts";

export interface Body {
  readonly path: "/stats" | "/stats/batch";
  readonly type: string;
  readonly text: string;
  readonly gzip: boolean;
}

export type Answer =
  /** 202, and the receipt of a single payload. */
  | { readonly kind: "acknowledged"; readonly receipt: string | undefined }
  /** It was surely not taken, and will not be: 4xx. */
  | { readonly kind: "refused"; readonly status: number }
  /** It was surely not taken; another time it may be: nothing listens, or 429. */
  | { readonly kind: "notTaken" }
  /** No answer, or one that leaves it open. */
  | { readonly kind: "unanswered" };

export async function post(
  url: string,
  body: Body,
  key: string | undefined,
  timeoutMs: number,
): Promise<Answer> {
  const bytes = new TextEncoder().encode(body.text);
  try {
    const response = await fetch(`${url}${body.path}`, {
      method: "POST",
      headers: {
        "content-type": body.type,
        ...(body.gzip && { "content-encoding": "gzip" }),
        ...(key !== undefined && { "idempotency-key": key }),
      },
      body: body.gzip ? Bun.gzipSync(bytes) : bytes,
      signal: AbortSignal.timeout(timeoutMs),
      // A kept connection that was closed meanwhile would be tried again behind our back.
      keepalive: false,
    });
    const text = await response.text();
    if (response.status === 202) return { kind: "acknowledged", receipt: receiptOf(text) };
    if (response.status === 429) return { kind: "notTaken" };
    if (response.status >= 500) return { kind: "unanswered" };
    return { kind: "refused", status: response.status };
  } catch (error) {
    return { kind: isRefusedConnection(error) ? "notTaken" : "unanswered" };
  }
}

function receiptOf(text: string): string | undefined {
  const answer: unknown = JSON.parse(text);
  if (typeof answer !== "object" || answer === null || !("receipt" in answer)) return undefined;
  return String(answer.receipt);
}
