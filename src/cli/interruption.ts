import { constants } from "node:os";

/** Aborted at the first SIGINT or SIGTERM; the second ends the process. */
export function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(128 + constants.signals[name]);
      interrupted.abort();
    });
  }
  return interrupted.signal;
}
