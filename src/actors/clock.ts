/** Time, as an argument. It says when to look and when to try again, never what is counted. */
export interface Clock {
  /** The wall clock, epoch ms. */
  now(): number;
  /** A clock that never steps, ms. */
  monotonic(): number;
  /** Resolves after `ms`, but at most 24 days, or at once when `signal` is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Lets everything else that is ready run first. */
  yield(): Promise<void>;
}

/** A timer for longer fires at once. */
const timerMsMax = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, timerMsMax));
      signal?.addEventListener("abort", done);
    }),
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};
