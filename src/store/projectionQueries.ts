/** How far the projections are, and what becomes of their builds. */
import type {
  ComparisonReport,
  EndedRebuild,
  ProjectionInfo,
  RebuildInfo,
  RebuildKind,
  RebuildLimits,
  RebuildPhase,
} from "../actors/projectionPorts.ts";
import type { Database } from "./database.ts";

interface BuildRow {
  readonly kind: RebuildKind;
  readonly version: number;
  readonly limits: RebuildLimits;
  /** Epoch ms. */
  readonly startedMs: number;
  readonly endedMs: number | null;
  readonly prepared: boolean;
  readonly indexed: boolean;
  readonly paused: boolean;
  readonly cancelled: boolean;
  readonly acceptsDifferences: boolean;
  readonly differences: number | null;
  readonly report: ComparisonReport | null;
  readonly problem: string | null;
  readonly outcome: string | null;
  readonly applied: number;
  readonly busyMs: number;
}

interface ProjectionRow {
  readonly name: string;
  readonly version: number;
  readonly paused: boolean;
  readonly applied: bigint;
  readonly events: bigint;
  readonly sealed_through: Date | null;
  readonly running: BuildRow | null;
  readonly ended: BuildRow | null;
}

/** All projections, by name: how far each is, its running build, and the last that ended. */
export async function readProjections(database: Database): Promise<readonly ProjectionInfo[]> {
  const rows = await database.run(
    (sql) => sql<ProjectionRow[]>`
      with builds as (
        select r.projection, r.id, r.ended_at, jsonb_build_object(
          'kind', r.kind, 'version', r.version, 'limits', r.limits,
          'startedMs', floor(extract(epoch from r.asked_at) * 1000),
          'endedMs', floor(extract(epoch from r.ended_at) * 1000),
          'prepared', r.prepared, 'indexed', r.indexed, 'paused', r.paused,
          'cancelled', r.cancelled, 'acceptsDifferences', r.accepts_differences,
          'differences', r.differences, 'report', r.report, 'problem', r.problem,
          'outcome', r.outcome,
          'applied', coalesce(r.events, sums.applied), 'busyMs', coalesce(r.busy_ms, sums.busy_ms)
        ) as build
        from rebuilds r
        cross join lateral (
          select coalesce(sum(position), 0) as applied, coalesce(sum(busy_ms), 0) as busy_ms
          from projection_positions o where o.projection = r.projection and o.build = 'rebuild'
        ) as sums
        where r.ended_at is null or r.id in (
          select max(id) from rebuilds where ended_at is not null group by projection
        )
      )
      select name, version, paused, live.applied, live.sealed_through,
        (select coalesce(sum(position), 0)::bigint from partitions) as events,
        (select build from builds where projection = name and ended_at is null) as running,
        (select build from builds where projection = name and ended_at is not null) as ended
      from projections
      cross join lateral (
        select coalesce(sum(position), 0)::bigint as applied,
          case when bool_and(sealed_through is not null) then min(sealed_through) end
            as sealed_through
        from projection_positions where projection = name and build = 'live'
      ) as live
      order by name
    `,
  );
  return rows.map(toProjectionInfo);
}

function toProjectionInfo(row: ProjectionRow): ProjectionInfo {
  const events = Number(row.events);
  const running = row.running === null ? "running" : "rebuilding";
  return {
    name: row.name,
    version: row.version,
    state: row.paused ? "paused" : running,
    applied: Number(row.applied),
    events,
    sealedThrough: row.sealed_through?.toISOString() ?? null,
    rebuild: row.running && toRebuildInfo(row.running, events, row.paused),
    lastRebuild: row.ended && toEndedRebuild(row.ended),
  };
}

function toRebuildInfo(build: BuildRow, events: number, paused: boolean): RebuildInfo {
  const eventsPerSecond = rateOf(build);
  return {
    kind: build.kind,
    version: build.version,
    phase: phaseOf(build, events, paused),
    startedAt: new Date(build.startedMs).toISOString(),
    applied: build.applied,
    events,
    eventsPerSecond,
    secondsLeft:
      eventsPerSecond === null
        ? null
        : Math.ceil(Math.max(events - build.applied, 0) / eventsPerSecond),
    limits: build.limits,
    acceptsDifferences: build.acceptsDifferences,
    report: build.report,
    problem: build.problem,
  };
}

/** The step that comes next, which is the one under way. */
function phaseOf(build: BuildRow, events: number, paused: boolean): RebuildPhase {
  if (build.cancelled) return "cancelling";
  if (paused || build.paused) return "paused";
  if (!build.prepared) return "starting";
  if (!build.indexed) return build.applied < events ? "applying" : "indexing";
  if (build.kind === "upgrade") return "swapping";
  if (build.differences === null) return "comparing";
  return build.differences > 0 && !build.acceptsDifferences ? "waiting" : "swapping";
}

function toEndedRebuild(build: BuildRow): EndedRebuild {
  return {
    kind: build.kind,
    version: build.version,
    outcome: build.outcome ?? "",
    startedAt: new Date(build.startedMs).toISOString(),
    endedAt: new Date(build.endedMs ?? 0).toISOString(),
    events: build.applied,
    eventsPerSecond: rateOf(build),
    limits: build.limits,
    report: build.report,
  };
}

function rateOf({ applied, busyMs }: BuildRow): number | null {
  return applied > 0 && busyMs > 0 ? Math.max(Math.round((applied * 1_000) / busyMs), 1) : null;
}
