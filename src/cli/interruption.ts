/** The exit code of a program that Ctrl-C has ended, as shells have it. */
const interruptedCode = 130;

/** Aborted at the first SIGINT or SIGTERM; the second ends the process. */
export function interruption(): AbortSignal {
  const interrupted = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(interruptedCode);
      interrupted.abort();
    });
  }
  return interrupted.signal;
}
