/** What the HTTP side reads. `src/store` implements the queries, `src/nats` the actor directory. */
import type { ActorName } from "../domain/actorName.ts";
import type { WindowSealedData } from "../domain/events.ts";
import type { ProjectionInfo } from "./projectionPorts.ts";

/** A place in the order of rows: newest time first, then customer, then content. */
export interface RowKey {
  readonly timeMs: number;
  readonly customer: string;
  readonly content: string;
}

export interface WindowQuery {
  readonly customer?: string | undefined;
  readonly content?: string | undefined;
  /** Windows that start at or after this time, epoch ms. */
  readonly fromMs?: number | undefined;
  /** Windows that start before this time, epoch ms. */
  readonly toMs?: number | undefined;
  /**
   * Rows are summed over buckets of this length, a multiple of the window, aligned to the epoch.
   */
  readonly bucketMs: number;
  readonly order: "asc" | "desc";
  readonly limit: number;
  /** Only rows after this one, in the order asked for. */
  readonly after?: RowKey | undefined;
}

export interface WindowRow {
  readonly windowStartMs: number;
  readonly windowEndMs: number;
  readonly customer: string;
  readonly content: string;
}

/** Sums of bytes, exact, also beyond 2^53. */
export interface StatsRow extends WindowRow {
  readonly cdn: bigint;
  readonly p2p: bigint;
}

export interface SessionsRow extends WindowRow {
  readonly sessions: bigint;
}

export interface RowPage<Row> {
  readonly rows: readonly Row[];
  /** True when there are more rows after these. */
  readonly more: boolean;
  /** When the database answered, epoch ms. */
  readonly asOfMs: number;
  /** Every window that ends at or before this time is in the table; undefined before the first. */
  readonly sealedThroughMs: number | undefined;
}

export interface StatsQueries {
  stats(query: WindowQuery): Promise<RowPage<StatsRow>>;
  sessions(query: WindowQuery): Promise<RowPage<SessionsRow>>;
}

// --------------------------------------------------------------------------------------- admin

export interface EventQuery {
  readonly partition?: number | undefined;
  readonly customer?: string | undefined;
  readonly content?: string | undefined;
  /** Only events after this position, in the order asked for; needs `partition`. */
  readonly afterPosition?: number | undefined;
  readonly limit: number;
  readonly order: "asc" | "desc";
}

export interface RecordedEvent {
  readonly partition: number;
  readonly position: number;
  readonly type: string;
  /** As it was written. */
  readonly version: number;
  readonly customer: string;
  readonly content: string;
  readonly windowEnd: string;
  /** As the newest version has it, whatever version was written. */
  readonly data: unknown;
  readonly recordedAt: string;
  readonly sealedBy: string;
  readonly epoch: number;
}

export interface PartitionInfo {
  readonly partition: number;
  readonly owner: string | null;
  readonly epoch: number;
  readonly sequence: number;
  readonly position: number;
  readonly sealedThrough: string | null;
  readonly checkpointedAt: string | null;
  /** Why the partition is stopped; null while it runs. */
  readonly stopped: string | null;
  /** It is stopped and cannot go on by itself: see `accept-loss`. */
  readonly halted: boolean;
}

export interface AdminQueries {
  partitions(): Promise<readonly PartitionInfo[]>;
  events(query: EventQuery): Promise<readonly RecordedEvent[]>;
  projections(): Promise<readonly ProjectionInfo[]>;
}

/** The state values of a window actor's machine. */
export const actorStates = ["idle", "open", "sealing"] as const;

/** One window actor as its owner sees it now. */
export interface ActorView {
  readonly customer: string;
  readonly content: string;
  readonly partition: number;
  readonly owner: string;
  readonly epoch: number;
  /** The state value of its xstate machine. */
  readonly state: (typeof actorStates)[number];
  /** The open (or sealing) window so far. */
  readonly window: OpenWindowView | undefined;
}

/** An open window so far, or a sealed one: without the digests of its tokens. */
export type OpenWindowView = Omit<WindowSealedData, "tokens">;

/** A place in the order of actors: largest weight first, then customer, then content. */
export interface ActorKey extends ActorName {
  /** What the order is by, in digits; 0 by name. */
  readonly weight: string;
}

/** What the list of actors can be ordered by. */
export const actorSorts = ["name", "payloads", "bytes", "sessions"] as const;

export interface ActorQuery {
  readonly customer?: string | undefined;
  readonly content?: string | undefined;
  readonly state?: string | undefined;
  /** The order is by this, largest first for numbers, then by customer and content. */
  readonly sort: (typeof actorSorts)[number];
  readonly limit: number;
  /** Only actors after this one. */
  readonly after?: ActorKey | undefined;
}

export interface ActorList {
  readonly actors: readonly ActorView[];
  /** The last of them, when there are more. */
  readonly next: ActorKey | undefined;
  /** How many match, over all pages. */
  readonly total: number;
  /** Partitions whose owner did not answer in time. */
  readonly silentPartitions: readonly number[];
}

/** Something about a partition, and why. */
export interface PartitionReason {
  readonly partition: number;
  readonly reason: string;
}

/** By what actors are chosen. */
export type ActorFacts = Pick<ActorView, "customer" | "content" | "state">;

/** The living actors of a partition, as its owner lets others look at them. */
export interface ActorViews {
  /** Resolves when all that is stored now is read, or a moment later. */
  caughtUp(): Promise<void>;
  /** Those that are wanted. A view takes more than to find out. */
  all(wanted: (actor: ActorFacts) => boolean): Iterable<ActorView>;
  find(customer: string, content: string): ActorView | undefined;
}

/** Answers the directory for a partition, until the function returned is called. */
export type ServeActors = (partition: number, views: ActorViews) => () => void;

/** Too many questions are asked at once; the message is a sentence that says of what kind. */
export class PortBusy extends Error {}

/** Asks the owners of partitions, wherever they run. */
export interface ActorDirectory {
  /** @throws PortBusy */
  list(query: ActorQuery): Promise<ActorList>;
  /** Undefined when no such actor lives; `"silent"` when the partition's owner does not answer. */
  get(customer: string, content: string): Promise<ActorView | undefined | "silent">;
}

/** One check of `/readyz`. */
export interface ReadinessCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/**
 * Every dependency and invariant, asked now. A database that has not answered after `databaseMs` is
 * not waited for; without a bound, its own deadlines hold.
 */
export type Readiness = (databaseMs?: number) => Promise<readonly ReadinessCheck[]>;

/** What the database knows of the work that all processes share, by its clock. */
export interface Health {
  /** How many there are. */
  readonly partitions: number;
  /** Without an owner whose lease runs. */
  readonly unowned: readonly number[];
  readonly stopped: readonly PartitionReason[];
  /** Owned and not stopped, but sealed long ago. */
  readonly late: readonly LatePartition[];
  /** Not stopped, and sealed through a time that has not come yet. */
  readonly ahead: readonly AheadPartition[];
  readonly projections: readonly ProjectionHealth[];
}

export interface LatePartition {
  readonly partition: number;
  readonly owner: string;
  /** Null when no window was sealed yet. */
  readonly sealedThroughMs: number | null;
}

export interface AheadPartition {
  readonly partition: number;
  readonly sealedThroughMs: number;
}

export interface ProjectionHealth {
  readonly name: string;
  readonly paused: boolean;
  /** A projector lives that applies it. */
  readonly held: boolean;
  /** Events that it has not applied. */
  readonly events: number;
  /** How long what it has not applied has waited; 0 when that is nothing. */
  readonly waitingMs: number;
}

export interface HealthReader {
  /** @param lateMs after which a partition that sealed nothing more is late. */
  health(lateMs: number): Promise<Health>;
}
