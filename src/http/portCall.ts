/** Calls from controllers to what may be away: the database, or the owner of a partition. */
import type { Log } from "../log.ts";
import { Problem } from "./problem.ts";

const retryAfterSeconds = "5";

/**
 * The answer of a port. Ports throw for failures of infrastructure only, so what one throws is
 * logged here and becomes 503; the client learns no more than that.
 */
export async function askPort<Answer>(log: Log, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    log.error("a request could not be answered", { error });
    throw unavailable("This cannot be answered now. Ask again a little later.", error);
  }
}

export function unavailable(detail: string, cause?: unknown): Problem {
  const headers = { "retry-after": retryAfterSeconds };
  return new Problem("unavailable", detail, { headers, cause });
}
