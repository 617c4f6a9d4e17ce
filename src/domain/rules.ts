/** The settings on which the meaning of the numbers depends. */
export interface Rules {
  /** Length of a window, ms. */
  readonly windowMs: number;
  /** How long a token is remembered after it was last seen, ms of stream time. */
  readonly sessionMemoryMs: number;
}

/**
 * The session rule, to the letter: a payload starts a session when its session is younger than a
 * window and either its token was never seen before or it carries no byte at all. So a second
 * payload of a young session without bytes counts again.
 */
export function startsSession(
  sessionDurationMs: number,
  tokenSeen: boolean,
  cdn: number,
  p2p: number,
  windowMs: number,
): boolean {
  return sessionDurationMs < windowMs && (!tokenSeen || cdn + p2p === 0);
}

/** How many generations the memory of tokens is divided into, when it is longer than that. */
const generationsMax = 24;

/**
 * The memory of tokens forgets by generations. One is a window long, or a 24th of the memory when
 * that is more, so that an event has to carry a long-lived token once a generation and not once a
 * window.
 */
export function windowsPerGeneration(rules: Rules): number {
  return Math.max(1, Math.floor(rules.sessionMemoryMs / rules.windowMs / generationsMax));
}

/** A token is remembered in this many generations after the one it was last seen in. */
export function generationsRemembered(rules: Rules): number {
  return Math.ceil(rules.sessionMemoryMs / (windowsPerGeneration(rules) * rules.windowMs));
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
