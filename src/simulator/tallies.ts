import { Latencies } from "./latencies.ts";

/** What happened so far, for the progress bar and the report. */
export class Tallies {
  acknowledged = 0;
  refused = 0;
  unknown = 0;
  /** Payloads sent again on purpose, under the same key. */
  repeats = 0;
  retries = 0;
  readonly latencies = new Latencies();

  get sent(): number {
    return this.acknowledged + this.refused + this.unknown;
  }
}
