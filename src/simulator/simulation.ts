/** A run from the first payload to the comparison with the tables. */
import { errorMessage } from "../log.ts";
import { Audience } from "./audience.ts";
import { Courier } from "./delivery.ts";
import { Expectation } from "./expectation.ts";
import { Fleet } from "./fleet.ts";
import { Progress, type ProgressState, type Screen } from "./progress.ts";
import type { Tables } from "./tables.ts";
import { Tallies } from "./tallies.ts";
import { type CustomerCheck, checkCustomer, sumOf } from "./verify.ts";

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

export interface SimulationOptions extends SimulateOptions {
  readonly seed: number;
  readonly windowMs: number;
  /** Part of every customer's name. */
  readonly runName: string;
}

export interface SimulationResult extends CustomerCheck {
  readonly tallies: Tallies;
  readonly contents: number;
  /** Why the tables could not be compared; undefined when they were. */
  readonly failure: string | undefined;
}

/** How long after its end a window may take to be sealed. */
const sealMsMax = 60_000;
const pollEveryMs = 250;

/** Sends until `endSending`, waits for the windows, compares. */
export async function simulate(
  options: SimulationOptions,
  tables: Tables,
  endSending: AbortSignal,
  screen: Screen,
): Promise<SimulationResult> {
  const tallies = new Tallies();
  const expectation = new Expectation(options.windowMs, options.clockSkewMs);
  const audience = new Audience({ ...options, customerPrefix: options.runName });
  const courier = new Courier(options.url, options.windowMs, tallies, endSending);
  const fleet = new Fleet(audience, courier, expectation, tallies, options);
  const startedMs = Date.now();
  let state = (): ProgressState => {
    const elapsedMs = Date.now() - startedMs;
    return {
      phase: "sending",
      share: elapsedMs / options.forMs,
      leftMs: options.forMs - elapsedMs,
      watching: audience.watching,
      lateMs: fleet.lateMs,
    };
  };
  const progress = new Progress(screen, tallies, () => state());
  try {
    const end = AbortSignal.any([endSending, AbortSignal.timeout(options.forMs)]);
    await fleet.run(end);
    state = waiting(expectation);
    const failure = await sealed(tables, expectation.endMs);
    if (failure !== undefined) return { ...noChecks, tallies, failure };
  } finally {
    progress.stop();
  }
  return { ...(await compare(tables, expectation)), tallies };
}

const noChecks = { differences: [], rows: 0, exactRows: 0, contents: 0 };

function waiting(expectation: Expectation): () => ProgressState {
  const startedMs = Date.now();
  return () => {
    const leftMs = expectation.endMs - Date.now();
    const share = 1 - leftMs / Math.max(1, expectation.endMs - startedMs);
    return { phase: "waiting for the last window", share, leftMs, watching: 0, lateMs: 0 };
  };
}

/** Waits until every window up to `endMs` is in both tables; says why when that takes too long. */
async function sealed(tables: Tables, endMs: number): Promise<string | undefined> {
  await Bun.sleep(Math.max(0, endMs - Date.now()));
  for (;;) {
    let found: string;
    try {
      const sealedMs = await tables.sealedThroughMs();
      if (sealedMs >= endMs) return undefined;
      found = `sealed is everything up to ${new Date(sealedMs).toISOString()}`;
    } catch (error) {
      found = errorMessage(error);
    }
    if (Date.now() > endMs + sealMsMax) {
      return `the window that ended at ${new Date(endMs).toISOString()} is not sealed: ${found}`;
    }
    await Bun.sleep(pollEveryMs);
  }
}

async function compare(
  tables: Tables,
  expectation: Expectation,
): Promise<Omit<SimulationResult, "tallies">> {
  const checks: CustomerCheck[] = [];
  let contents = 0;
  try {
    for (const customer of expectation.customers()) {
      const expected = expectation.contents(customer);
      const found = await tables.rows(customer, expectation.windowMs);
      checks.push(checkCustomer(customer, expected, found, expectation.windowMs));
      contents += expected.size;
    }
    return { ...sumOf(checks), contents, failure: undefined };
  } catch (error) {
    return { ...noChecks, failure: errorMessage(error) };
  }
}
