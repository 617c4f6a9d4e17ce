/** A straight line through samples, and how sure its slope is. */

interface Slope {
  /** Units of the value for each unit of time. */
  readonly slope: number;
  /** Standard error of the slope. */
  readonly error: number;
}

/** How many standard errors away from 0 a slope is taken for one. */
const errorsMin = 3;

/** Least squares. With fewer than three samples, or all at one time, nothing is known. */
export function slopeOf(times: readonly number[], values: readonly number[]): Slope {
  const n = values.length;
  const timeMean = mean(times);
  const valueMean = mean(values);
  let [spread, both] = [0, 0];
  for (const [i, time] of times.entries()) {
    spread += (time - timeMean) ** 2;
    both += (time - timeMean) * ((values[i] ?? 0) - valueMean);
  }
  if (n < 3 || spread === 0) return { slope: 0, error: Number.POSITIVE_INFINITY };
  const slope = both / spread;
  const rest = values.reduce(
    (sum, value, i) => sum + (value - valueMean - slope * ((times[i] ?? 0) - timeMean)) ** 2,
    0,
  );
  return { slope, error: Math.sqrt(rest / (n - 2) / spread) };
}

/** True when it rises, by more than `bound`, and that is no chance. */
export function rises({ slope, error }: Slope, bound: number): boolean {
  return slope > bound && slope > errorsMin * error;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
