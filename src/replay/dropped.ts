/**
 * The oldest messages of a stream are dropped all the time, also those that a replay begins with.
 */
import { PayloadGap } from "../actors/ports.ts";

const attemptsMax = 3;

/**
 * Asks anew when a message was dropped after it was planned to be read: the next plan begins later,
 * or says that nothing is left.
 * @param ask gets how long the attempts before have taken, ms.
 */
export async function whileDropped<Answer>(
  clock: { monotonic(): number },
  ask: (lostMs: number) => Promise<Answer>,
): Promise<Answer> {
  const beganMs = clock.monotonic();
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(attempt === 1 ? 0 : Math.max(1, clock.monotonic() - beganMs));
    } catch (error) {
      if (!(error instanceof PayloadGap) || attempt === attemptsMax) throw error;
    }
  }
}
