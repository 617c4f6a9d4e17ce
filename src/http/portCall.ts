/** Calls from controllers to what may be away: the database, or the owner of a partition. */
import { PortBusy } from "../actors/readPorts.ts";
import type { Log } from "../log.ts";
import { Problem } from "./problem.ts";

const headers = { "retry-after": "5" };

/**
 * The answer of a port. Too many questions at once are no failure. All else that ports throw is one
 * of infrastructure, so it is logged here and becomes 503; the client learns no more than that.
 */
export async function askPort<Answer>(log: Log, ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof PortBusy) throw new Problem("overloaded", error.message, { headers });
    log.error("a request could not be answered", { error });
    throw unavailable("This cannot be answered now. Ask again a little later.", error);
  }
}

export function unavailable(detail: string, cause?: unknown): Problem {
  return new Problem("unavailable", detail, { headers, cause });
}
