/** Random streams of payloads: few names and tokens, so that they meet often. */
import fc from "fast-check";
import type { NaiveMessage, NaivePayload } from "./naiveModel.ts";

interface StreamShape {
  readonly startMs: number;
  readonly windowMs: number;
  /** The longest wait between two messages. */
  readonly waitMaxMs: number;
  readonly messagesMax: number;
}

function arbitraryPayload(windowMs: number): fc.Arbitrary<NaivePayload> {
  return (
    fc
      .record({
        token: fc.constantFrom("a", "b", "c", "d"),
        customer: fc.constantFrom("x", "__proto__", "constructor"),
        content: fc.constantFrom("1", "2"),
        timespan: fc.constant(30_000),
        p2p: fc.oneof(fc.constant(0), fc.nat(1_000)),
        cdn: fc.oneof(fc.constant(0), fc.nat(1_000)),
        sessionDuration: fc.constantFrom(0, windowMs - 1, windowMs, 10 * windowMs),
        key: fc.option(fc.constantFrom("k1", "k2", "k3"), { nil: undefined, freq: 4 }),
      })
      // The digest of a key covers its payload.
      .map((one) => ({
        ...one,
        key: one.key && [one.key, one.token, one.customer, one.content].join(),
      }))
  );
}

/** Some messages are repeats of the one before; some keys are used again. */
export function arbitraryMessages(shape: StreamShape): fc.Arbitrary<NaiveMessage[]> {
  const { startMs, windowMs, waitMaxMs, messagesMax } = shape;
  return fc
    .array(
      fc.record({
        wait: fc.oneof(fc.nat(windowMs), fc.integer({ min: -3_000, max: waitMaxMs })),
        repeats: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
        payloads: fc.array(arbitraryPayload(windowMs), { maxLength: 6 }),
      }),
      { maxLength: messagesMax },
    )
    .map((list) => {
      let timeMs = startMs;
      let last: NaiveMessage | undefined;
      return list.map(({ wait, repeats, payloads }, i) => {
        timeMs += wait;
        // A publisher sends the same message again, and soon.
        const isRepeat = repeats && last !== undefined && timeMs - last.timeMs < 10_000;
        const message: NaiveMessage =
          isRepeat && last !== undefined
            ? { ...last, timeMs }
            : { timeMs, publisher: "p", number: i + 1, payloads };
        last = message;
        return message;
      });
    });
}
