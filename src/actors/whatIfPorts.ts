/** Where the numbers of other rules are kept beside those that count. */
import type { ActorName } from "../domain/actorName.ts";

export interface WhatIfRow extends ActorName {
  /** End of its window, ISO 8601. */
  readonly time: string;
  readonly cdn: string;
  readonly p2p: string;
  readonly sessions: number;
}

/** What a scratch table holds: windows of these rules that lie between two times, epoch ms. */
export interface WhatIfAbout {
  readonly windowMs: number;
  readonly countTokenOnce: boolean;
  readonly sessionMemoryMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ScratchTable {
  readonly table: string;
  readonly about: WhatIfAbout;
  /** False while its run goes on, and after one that was killed. */
  readonly isComplete: boolean;
  readonly rows: number;
}

/** Exact sums over a range, beyond int64 if need be. */
export interface Sums {
  readonly cdn: bigint;
  readonly p2p: bigint;
  readonly sessions: bigint;
}

export interface BucketPair extends ActorName {
  /** End of the bucket, ISO 8601. */
  readonly time: string;
  readonly whatIf: Sums;
  readonly today: Sums;
}

export interface WhatIfComparison {
  /** Rows of each side by time, customer and content, added up to buckets. */
  readonly buckets: number;
  readonly bytesEqual: number;
  readonly sessionsEqual: number;
  readonly whatIf: Sums;
  readonly today: Sums;
  /** The first of them, those that differ before the others. */
  readonly pairs: readonly BucketPair[];
}

export interface WhatIfStore {
  /** `stats` and `sessions` show every window that ends by this time, epoch ms. */
  shownThrough(): Promise<number>;
  /** Makes an empty table and returns its name. */
  create(about: WhatIfAbout): Promise<string>;
  append(table: string, rows: readonly WhatIfRow[]): Promise<void>;
  /** Notes that it holds all of its rows. */
  complete(table: string, about: WhatIfAbout): Promise<void>;
  /** Compares with `stats` and `sessions`, by buckets, for buckets within two times. */
  compare(
    table: string,
    range: { readonly bucketMs: number; readonly fromMs: number; readonly toMs: number },
    limit: number,
  ): Promise<WhatIfComparison>;
  list(): Promise<readonly ScratchTable[]>;
  /** Drops a table that was created here, or is listed. */
  drop(table: string): Promise<void>;
}
