import { backoffMs } from "../domain/backoff.ts";
import { windowEndMs, windowIndexOf } from "../domain/windows.ts";
import { errorMessage, type Log } from "../log.ts";
import type { Clock } from "./clock.ts";
import { PayloadLogUnavailable, type PayloadStreams } from "./ports.ts";

/**
 * Sees to it that stream time passes every window end, with or without traffic: when no payload
 * has crossed a boundary, it publishes a tick just after it. Reading the tick back proves that
 * everything before it has been read. A tick that does not come back means a dead consumer, which
 * is replaced.
 */
interface Ticking {
  readonly partition: number;
  readonly streams: PayloadStreams;
  readonly clock: Clock;
  readonly log: Log;
  readonly windowMs: number;
  /** How far the stream has been applied. */
  progress(): { readonly sequence: number; readonly timeMs: number };
  /** Resolves at the next progress, or when the owner ends. */
  changed(): Promise<void>;
  restartFeed(): void;
  /** True while the owner waits for messages; false while it is busy with some, or commits. */
  waiting(): boolean;
  /** Why the stream has no room for a tick; undefined when it had. */
  full(reason: string | undefined): void;
  readonly signal: AbortSignal;
}

/** A tick is sent this long after the boundary, so that the broker's clock has passed it too. */
const afterBoundaryMs = 3;
/** So often the clock is looked at again before a boundary, since it may be set. */
const lookMs = 10_000;
/** Without any progress for this long after a tick was stored, the consumer is replaced. */
const silenceMs = 3_000;

/** After so many ticks without another time it stands still, and further ones are of less use. */
const stillMax = 3;
const standsStill =
  "the broker's clock was ahead: payloads are in the open window until it shows that time again";

/** Runs until the signal is aborted. */
export async function keepTicking(ticking: Ticking): Promise<void> {
  const { clock, signal, windowMs, progress } = ticking;
  const startedMs = clock.now();
  let failures = 0;
  let seen = { timeMs: startedMs, atMs: clock.monotonic() };
  /** Ticks in a row that came back without another time. */
  let still = 0;
  while (!signal.aborted) {
    // A stream that never held a message gets its first tick at the end of the current window.
    const timeMs = progress().timeMs || startedMs;
    if (timeMs !== seen.timeMs) {
      seen = { timeMs, atMs: clock.monotonic() };
      still = 0;
    }
    const boundary = windowEndMs(windowIndexOf(timeMs, windowMs), windowMs);
    // A clock that is set back knows less than the last message and the time since.
    const nowMs = Math.max(clock.now(), seen.timeMs + clock.monotonic() - seen.atMs);
    const waitMs = boundary + afterBoundaryMs - nowMs;
    if (waitMs > 0) {
      await clock.sleep(Math.min(waitMs, lookMs), signal);
      continue;
    }
    try {
      const before = progress().sequence;
      const sequence = await ticking.streams.tick(ticking.partition);
      ticking.full(undefined);
      // A new message with an old sequence: this is not the stream that was read so far, and what
      // verifies the next consumer will say so.
      if (sequence <= before) ticking.restartFeed();
      else await readBack(ticking, sequence);
      failures = 0;
      // A broker whose clock is behind ours put the tick before the boundary. One whose clock was
      // ahead once, and is not any more, gives all messages the time of then.
      const shortMs = Math.min(boundary - progress().timeMs, 1_000);
      if (progress().sequence >= sequence && progress().timeMs === timeMs) {
        if (++still === stillMax) {
          ticking.log.warn(standsStill, { streamTime: new Date(timeMs).toISOString() });
        }
      }
      const restMs = still < stillMax ? 0 : backoffMs(still - stillMax, 50, lookMs);
      if (shortMs > 0) await clock.sleep(Math.max(shortMs, restMs), signal);
    } catch (error) {
      ticking.log.debug("tick failed", { error: errorMessage(error) });
      if (isFull(error)) ticking.full(errorMessage(error.cause));
      await clock.sleep(backoffMs(failures++, 50, 1_000), signal);
    }
  }
}

function isFull(error: unknown): error is PayloadLogUnavailable {
  return error instanceof PayloadLogUnavailable && error.reason === "full";
}

/** Waits until the tick has been applied, and replaces the consumer when nothing moves. */
async function readBack(ticking: Ticking, sequence: number): Promise<void> {
  const { clock, signal, progress } = ticking;
  while (!signal.aborted && progress().sequence < sequence) {
    const before = progress().sequence;
    const waiting = new AbortController();
    await Promise.race([ticking.changed(), clock.sleep(silenceMs, waiting.signal)]);
    waiting.abort();
    if (signal.aborted || progress().sequence !== before || !ticking.waiting()) continue;
    ticking.log.warn("a tick did not come back, the consumer is replaced", { sequence });
    ticking.restartFeed();
    // A broker that lost its last messages may have lost the tick: it would be waited for forever.
    const { lastSequence } = await ticking.streams.state(ticking.partition);
    if (lastSequence < sequence) return;
  }
}
