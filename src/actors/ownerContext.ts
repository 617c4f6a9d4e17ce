/** What the owner of a partition is given, and how it may end. */
import type { Rules } from "../domain/rules.ts";
import type { Log } from "../log.ts";
import type { Clock } from "./clock.ts";
import type { PartitionStore, PayloadStreams, Turns } from "./ports.ts";

export interface OwnerContext {
  readonly streams: PayloadStreams;
  readonly store: PartitionStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly rules: Rules;
  /** How long sealed payloads stay in the stream, ms. */
  readonly rawRetentionMs: number;
  /** The id of the worker, noted beside every event. */
  readonly workerId: string;
  /** Shared by all owners of the process. */
  readonly turns: Turns;
}

/**
 * Why an owner ended. `fenced`: another worker owns the partition now. `halted`: the stream does
 * not continue the checkpoint; `failed`: anything else, and a new owner may do better.
 */
export type OwnerEnd =
  | { readonly kind: "stopped" }
  | { readonly kind: "fenced" }
  | { readonly kind: "halted"; readonly reason: string }
  | { readonly kind: "failed"; readonly reason: string };
