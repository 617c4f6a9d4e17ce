/** The settings on which the meaning of the numbers depends. */
export interface Rules {
  /** Length of a window, ms. */
  readonly windowMs: number;
  /** How many partitions there are. Actors of another one are quarantined. */
  readonly partitions: number;
  /** How long a token is remembered after it was last seen, ms of stream time. */
  readonly sessionMemoryMs: number;
  /**
   * Length of the windows by which idempotency keys are remembered, ms: `windowMs` unless given.
   * What a client may repeat must not depend on how its payloads are looked at later.
   */
  readonly keyWindowMs?: number;
  /** A token starts one session however often it comes without bytes. Off, unless asked for. */
  readonly countTokenOnce?: boolean;
}

/** The rules alone, out of settings that hold more. */
export function rulesOf({ windowMs, sessionMemoryMs, partitions }: Rules): Rules {
  return { windowMs, sessionMemoryMs, partitions };
}

/**
 * The session rule, to the letter: a payload starts a session when its session is younger than a
 * window and either its token was never seen before or it carries no byte at all. So a second
 * payload of a young session without bytes counts again. The variant `countTokenOnce` leaves the
 * second condition out; it is for looking at what that would change.
 */
export function startsSession(
  sessionDurationMs: number,
  tokenSeen: boolean,
  cdn: number,
  p2p: number,
  rules: Pick<Rules, "windowMs" | "countTokenOnce">,
): boolean {
  if (sessionDurationMs >= rules.windowMs) return false;
  return !tokenSeen || (cdn + p2p === 0 && rules.countTokenOnce !== true);
}

/** How many generations the memory of tokens is divided into, when it is longer than that. */
const generationsMax = 24;

/**
 * The memory of tokens forgets by generations. One is a window long, or a 24th of the memory when
 * that is more, so that an event has to carry a long-lived token once a generation and not once a
 * window.
 */
function windowsPerGeneration(rules: Rules): number {
  return Math.max(1, Math.floor(rules.sessionMemoryMs / rules.windowMs / generationsMax));
}

/** A token is remembered in this many generations after the one it was last seen in. */
export function generationsRemembered(rules: Rules): number {
  return Math.ceil(rules.sessionMemoryMs / (windowsPerGeneration(rules) * rules.windowMs));
}

/** What was sealed earlier than this long ago, ms, holds no token that has to be remembered. */
export function tokenMemoryMs(rules: Rules): number {
  return (generationsRemembered(rules) + 1) * windowsPerGeneration(rules) * rules.windowMs;
}

/** The generation that a window belongs to. */
export function generationOf(windowIndex: number, rules: Rules): number {
  return Math.floor(windowIndex / windowsPerGeneration(rules));
}

/**
 * Idempotency keys are remembered in the two windows after the one they were last seen in, so that
 * a repeat within two window lengths always finds them.
 */
export const windowsKeyRemembered = 2;
