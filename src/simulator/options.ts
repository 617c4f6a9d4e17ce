/** The command line of the simulator. */
import { parseArgs } from "node:util";
import { formatDuration, parseDuration } from "../domain/duration.ts";

export interface SimulateOptions {
  readonly url: string;
  readonly devices: number;
  readonly contents: number;
  readonly forMs: number;
  readonly speed: number;
  /** Undefined: a new one each time. */
  readonly seed: number | undefined;
  /** Undefined: the service is asked. */
  readonly windowMs: number | undefined;
  readonly keyedShare: number;
  readonly batchShare: number;
  readonly connections: number;
  readonly clockSkewMs: number;
}

type CommandLine =
  | { readonly kind: "run"; readonly options: SimulateOptions }
  | { readonly kind: "help" }
  | { readonly kind: "problems"; readonly problems: readonly string[] };

export const help = `Simulates viewers, and checks the tables against what was acknowledged.

Usage: bun run simulate [options]

  --devices N       devices, most of which watch at any time (1000)
  --contents N      pairs of customer and content, of Zipf-like popularity (50)
  --for DURATION    how long to send, real time (1m)
  --speed N         how many times faster than the clock the devices live (1): each sends a
                    payload every 30 s of its time
  --url URL         the public address of the service (http://localhost:8080)
  --batch           three devices in ten go through a collector: POST /stats/batch, gzip
  --keys SHARE      share of devices that send an Idempotency-Key, 0 to 1 (0.2); some of
                    them send requests twice, which must not count
  --connections N   requests in flight at a time (128)
  --window DURATION length of a window, where the service shall not be asked
  --clock-skew DURATION  how far this clock and the broker's may be apart (5ms)
  --seed N          repeats the choices of an earlier run (a new seed each time)
  --help

At the end it waits until the windows are sealed, then compares stats and sessions row by row.
Ctrl-C ends sending early and still compares; again, and it gives up.
Exit code: 0 no difference, 1 a difference, 2 a wrong command line, 130 given up.

Examples:
  bun run simulate --devices 1000 --contents 50 --for 10m --speed 10
  bun run simulate --devices 20000 --for 1m --speed 10 --batch
  bun run simulate --url http://stats.example.com --clock-skew 500ms --seed 7
`;

const dayMs = 86_400_000;

/** Reads the arguments; all problems are listed at once. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  let values: Record<string, string | boolean | undefined>;
  try {
    values = parseArgs({ args: [...args], options: flags, strict: true }).values;
  } catch (error) {
    return { kind: "problems", problems: [error instanceof Error ? error.message : `${error}`] };
  }
  if (values.help === true) return { kind: "help" };
  const reader = new Reader(values);
  const options: SimulateOptions = {
    url: reader.url("url", "http://localhost:8080"),
    devices: reader.number("devices", 1_000, 1, 1_000_000, true),
    contents: reader.number("contents", 50, 1, 100_000, true),
    forMs: reader.duration("for", 1_000, dayMs) ?? 60_000,
    speed: reader.number("speed", 1, 1, 1_000, false),
    seed: reader.given("seed") ? reader.number("seed", 0, 0, 2 ** 32 - 1, true) : undefined,
    windowMs: reader.duration("window", 1_000, dayMs),
    keyedShare: reader.number("keys", 0.2, 0, 1, false),
    batchShare: values.batch === true ? 0.3 : 0,
    connections: reader.number("connections", 128, 1, 256, true),
    clockSkewMs: reader.duration("clock-skew", 0, 60_000) ?? 5,
  };
  const { problems } = reader;
  return problems.length > 0 ? { kind: "problems", problems } : { kind: "run", options };
}

const text = { type: "string" } as const;
const flags = {
  devices: text,
  contents: text,
  for: text,
  speed: text,
  url: text,
  batch: { type: "boolean" },
  keys: text,
  connections: text,
  window: text,
  "clock-skew": text,
  seed: text,
  help: { type: "boolean", short: "h" },
} as const;

class Reader {
  readonly problems: string[] = [];

  constructor(private readonly values: Record<string, string | boolean | undefined>) {}

  given(name: string): boolean {
    return this.values[name] !== undefined;
  }

  number(name: string, fallback: number, min: number, max: number, whole: boolean): number {
    const given = this.#text(name);
    if (given === undefined) return fallback;
    const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
    if (value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
    const kind = whole ? "a whole number" : "a number";
    this.problems.push(`--${name}: must be ${kind} from ${min} to ${max}, not "${given}"`);
    return fallback;
  }

  duration(name: string, minMs: number, maxMs: number): number | undefined {
    const given = this.#text(name);
    if (given === undefined) return undefined;
    const value = parseDuration(given);
    if (value !== undefined && value >= minMs && value <= maxMs) return value;
    this.problems.push(
      `--${name}: must be a duration like 90s, 5m or 1h from ${formatDuration(minMs)} to ` +
        `${formatDuration(maxMs)}, not "${given}"`,
    );
    return undefined;
  }

  url(name: string, fallback: string): string {
    const given = this.#text(name) ?? fallback;
    if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) {
      return given.replace(/\/+$/, "");
    }
    this.problems.push(`--${name}: must be a URL that starts with http:// or https://`);
    return fallback;
  }

  #text(name: string): string | undefined {
    const value = this.values[name];
    return typeof value === "string" ? value : undefined;
  }
}
