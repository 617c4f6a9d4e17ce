import { expect, test } from "bun:test";
import { type Batch, BatchBuilder, decodeMessage, encodeRetry } from "../../src/domain/envelope.ts";
import { ReceiptTrace } from "../../src/replay/trace.ts";
import { logMessage } from "../support/streams.ts";

/** A payload out of quarantine: all of them have the same publisher and number. */
function retryOf(place: string): string {
  const batch = new BatchBuilder();
  const counts = { timespan: 1, p2p: 1, cdn: 1, sessionDuration: 1 };
  batch.add({ token: "t", customer: "c", content: "v", ...counts });
  return encodeRetry(place, new TextEncoder().encode(batch.encode("quarantine", 1)));
}

test("a repeated retry is a repeat of its own first one, and not of another payload's", () => {
  const messages = ["0.9.0", "0.1.0", "0.1.0"].map((place, i) =>
    logMessage(i + 1, 1_000, retryOf(place)),
  );
  const last = decodeMessage(messages[2]?.data ?? new Uint8Array()) as Batch;
  const trace = new ReceiptTrace({ partition: 0, sequence: 3, index: 0 }, last);
  for (const message of messages) trace.reading(message);
  expect(trace.duplicateOf).toBe("0.2.0");
});
