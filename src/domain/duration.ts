const unitMs = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** Milliseconds of a duration written `90s`, `5m`, `24h`; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const factor = unitMs.get(match?.[2] ?? "");
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}

/** The shortest exact way to write a duration: `300000` is `5m`. */
export function formatDuration(ms: number): string {
  let best = `${ms}ms`;
  for (const [unit, factor] of unitMs) {
    if (ms !== 0 && ms % factor === 0) best = `${ms / factor}${unit}`;
  }
  return best;
}
