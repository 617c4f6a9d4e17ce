/** Projections as the admin API shows and commands them. `src/store` implements the control. */

export interface ProjectionInfo {
  readonly name: string;
  /** Of the table that is read. */
  readonly version: number;
  readonly state: "running" | "paused" | "rebuilding";
  /** Events applied and events in the log, over all partitions. */
  readonly applied: number;
  readonly events: number;
  readonly sealedThrough: string | null;
  /** The build beside the table that is read, if one runs. */
  readonly rebuild: RebuildInfo | null;
  readonly lastRebuild: EndedRebuild | null;
}

/** `rebuild`: the same version anew. `upgrade`: a newer version. `verify`: to compare only. */
export type RebuildKind = "rebuild" | "upgrade" | "verify";

/** `waiting`: the tables differ, and nobody has accepted that yet. */
export type RebuildPhase =
  | "starting"
  | "applying"
  | "indexing"
  | "comparing"
  | "waiting"
  | "swapping"
  | "paused"
  | "cancelling";

export interface RebuildInfo {
  readonly kind: RebuildKind;
  /** The version that is built. */
  readonly version: number;
  readonly phase: RebuildPhase;
  readonly startedAt: string;
  readonly applied: number;
  readonly events: number;
  /** Over the time that was worked; null before the first step. */
  readonly eventsPerSecond: number | null;
  /** Until all events are applied. */
  readonly secondsLeft: number | null;
  readonly limits: RebuildLimits;
  readonly acceptsDifferences: boolean;
  readonly report: ComparisonReport | null;
  /** What keeps it from going on. */
  readonly problem: string | null;
}

export interface EndedRebuild {
  readonly kind: RebuildKind;
  readonly version: number;
  readonly outcome: string;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly events: number;
  readonly eventsPerSecond: number | null;
  readonly limits: RebuildLimits;
  readonly report: ComparisonReport | null;
}

/** How the rebuilt table differs from the live one, both at the same events. Counts are of rows. */
export interface ComparisonReport {
  readonly comparedAt: string;
  /** How many events both tables hold. */
  readonly events: number;
  readonly equal: number;
  /** Rows that the events give, and the live table lacks. */
  readonly missing: number;
  /** Rows of the live table that no event gives. */
  readonly extra: number;
  readonly different: number;
  /** Some of each, in the order of their keys. */
  readonly examples: Readonly<Record<"missing" | "extra" | "different", readonly RowPair[]>>;
}

/** A row in both tables, every value as text; null where the table has no such row. */
interface RowPair {
  readonly live: TextRow | null;
  readonly rebuilt: TextRow | null;
}

type TextRow = Readonly<Record<string, string | null>>;

/** What a verification is limited to: rows that begin from one time to before another. */
export interface RebuildLimits {
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
  readonly customer?: string | undefined;
  readonly content?: string | undefined;
}

export interface RebuildRequest {
  /** Compares and does not swap. Only then there may be limits. */
  readonly verify?: boolean;
  /** Swaps also when the tables differ. */
  readonly acceptDifferences?: boolean;
  readonly limits?: RebuildLimits;
}

/** `all`: the projection with its build. `rebuild`: the build alone. */
export type ProjectionPart = "all" | "rebuild";

export type ProjectionCommandOutcome = "accepted" | "unknown" | "conflict";

export interface ProjectionControl {
  /** Asks for a build and resolves at once; `conflict` when one is running. */
  rebuild(name: string, request?: RebuildRequest): Promise<ProjectionCommandOutcome>;
  /** Lets a rebuild whose tables differ be swapped in; `conflict` when none runs. */
  acceptDifferences(name: string): Promise<ProjectionCommandOutcome>;
  /** Ends a build and drops its table; `conflict` when none runs, or it is an upgrade. */
  cancel(name: string): Promise<ProjectionCommandOutcome>;
  pause(name: string, part?: ProjectionPart): Promise<ProjectionCommandOutcome>;
  resume(name: string, part?: ProjectionPart): Promise<ProjectionCommandOutcome>;
}
