import { expect, test } from "bun:test";
import { Partition } from "../../src/actors/partition.ts";
import { type Batch, BatchBuilder, decodeMessage, encodeRetry } from "../../src/domain/envelope.ts";
import { ReceiptTrace } from "../../src/replay/trace.ts";
import { logMessage } from "../support/streams.ts";

const rules = { windowMs: 1_000, partitions: 1, sessionMemoryMs: 86_400_000 };
const counts = { timespan: 1, p2p: 1, cdn: 1, sessionDuration: 1 };
const payload = { token: "t", customer: "c", content: "v", ...counts };

/** A payload out of quarantine: all of them have the same publisher and number. */
function retryOf(place: string): string {
  const batch = new BatchBuilder();
  batch.add(payload);
  return encodeRetry(place, new TextEncoder().encode(batch.encode("quarantine", 1)));
}

test("a repeated retry is a repeat of its own first one, and not of another payload's", () => {
  const messages = ["0.9.0", "0.1.0", "0.1.0"].map((place, i) =>
    logMessage(i + 1, 500, retryOf(place)),
  );
  const last = decodeMessage(messages[2]?.data ?? new Uint8Array()) as Batch;
  const trace = new ReceiptTrace({ partition: 0, sequence: 3, index: 0 }, last);
  const partition = new Partition(rules, 0, trace);
  for (const message of messages) {
    trace.reading(message);
    partition.apply(message);
  }
  expect([trace.outcome, trace.duplicateOf]).toEqual(["duplicate", "0.2.0"]);
});

test("a repeat is one of the payload that was counted last, not of one whose key was forgotten", () => {
  const key = "00ab34cd00ab34cd";
  const messageOf = (windows: readonly number[]) =>
    windows.map((window, i) => {
      const batch = new BatchBuilder();
      batch.add({ ...payload, token: "other" });
      batch.add(payload, key);
      batch.add(payload, key);
      return logMessage(i + 1, window * rules.windowMs, batch.encode("p", i + 1));
    });
  const stream = messageOf([0, 1, 4, 5, 5]);
  // The last one is a message that its publisher has sent again.
  const again = stream[4] ?? logMessage(0, 0, "");
  stream.push({ ...again, sequence: 6 });
  for (const [sequence, index, original] of [
    [1, 2, "0.1.1"],
    [2, 1, "0.1.1"],
    [3, 1, undefined],
    [3, 2, "0.3.1"],
    [5, 2, "0.3.1"],
    [6, 2, "0.3.1"],
    [3, 0, undefined],
  ] as const) {
    const batch = decodeMessage(stream[sequence - 1]?.data ?? new Uint8Array()) as Batch;
    const trace = new ReceiptTrace({ partition: 0, sequence, index }, batch);
    const partition = new Partition(rules, 0, trace);
    for (const message of stream) {
      if (partition.endsWindow(message.timeMs)) {
        partition.seal(message.timeMs);
        partition.committed();
      }
      trace.reading(message);
      partition.apply(message);
    }
    expect(trace.outcome).toBe(original === undefined ? "counted" : "duplicate");
    expect(trace.duplicateOf).toBe(original);
  }
});
