/** The checks of `/readyz`: each says what is at fault, and what to do about it. */
import type {
  AheadPartition,
  Health,
  HealthReader,
  LatePartition,
  PartitionReason,
  ProjectionHealth,
  Readiness,
  ReadinessCheck,
} from "./actors/readPorts.ts";
import type { Worker } from "./actors/worker.ts";
import { inTime } from "./inTime.ts";
import { errorMessage } from "./log.ts";
import type { NatsLink } from "./nats/connection.ts";
import type { PublicServerState } from "./serving/publicServer.ts";

export interface ReadinessSources {
  readonly health: HealthReader;
  readonly config: { readonly windowMs: number; readonly leaseMs: number };
  readonly link: Pick<NatsLink, "answers">;
  readonly ledger: { readonly check: ReadinessCheck };
  /** Undefined without the role worker. */
  readonly worker: Pick<Worker, "status"> | undefined;
  /** Undefined without the role ingest. */
  readonly publicServers: { state(): Promise<PublicState> } | undefined;
}

type PublicState = Pick<PublicServerState, "connected" | "full" | "unanswered">;

/** A projection that is applied may be so far behind: a large boundary takes seconds. */
const projectionLagMs = 30_000;
/** So many partitions are named; of more, the number is told. */
const namedMax = 8;

/** Each check is asked when it is called. */
export function readinessOf(sources: ReadinessSources): Readiness {
  return async (databaseMs) => {
    const [state, answers, database] = await Promise.all([
      sources.publicServers?.state(),
      sources.link.answers(),
      databaseChecks(sources, databaseMs),
    ]);
    const worker = sources.worker === undefined ? [] : [workerCheck(sources.worker.status)];
    const full = [state?.full, sources.worker?.status.full].filter((list) => list !== undefined);
    const nats = state?.connected === false ? undefined : answers;
    const streams = full.length === 0 ? [] : [streamsCheck(full, state?.unanswered ?? [])];
    return [natsCheck(nats), ...streams, ...database, sources.ledger.check, ...worker];
  };
}

/** @param answers undefined without a connection. */
function natsCheck(answers: boolean | undefined): ReadinessCheck {
  if (answers === undefined) {
    return check("nats", ["not connected: start the broker, or see NATS_URL"]);
  }
  const silent = "JetStream does not answer: see the broker's log, and whether its disk is full";
  return check("nats", answers ? [] : [silent], "answers");
}

/** Postgres itself, and what it says of all partitions, whichever process owns them. */
async function databaseChecks(
  { config, health: reader }: ReadinessSources,
  waitMs: number | undefined,
): Promise<ReadinessCheck[]> {
  const { windowMs, leaseMs } = config;
  try {
    const answer = reader.health(2 * windowMs + leaseMs);
    const late = () => new Error(`no answer within ${waitMs} ms`);
    const health = await (waitMs === undefined ? answer : inTime(answer, waitMs, late));
    return [
      { name: "postgres", ok: true, detail: "answers" },
      partitionsCheck(health),
      progressCheck(health),
      projectionsCheck(health.projections, leaseMs),
    ];
  } catch (error) {
    return [{ name: "postgres", ok: false, detail: errorMessage(error) }];
  }
}

function partitionsCheck({ partitions, unowned, stopped }: Health): ReadinessCheck {
  const reasons = bounded(
    stopped,
    ({ partition, reason }) => `partition ${partition} is stopped: ${reason}`,
  );
  if (unowned.length > 0) {
    reasons.push(
      `${named(unowned)}: no living owner; they are taken over when LEASE has run out, ` +
        "if a process with the role worker runs",
    );
  }
  return check("partitions", reasons, `${partitions} are owned`);
}

/** Idle partitions tick, so every one of them seals at every boundary. */
function progressCheck({ late, ahead }: Health): ReadinessCheck {
  return check("progress", lateReasons(late), progressOf(ahead));
}

function lateReasons(late: readonly LatePartition[]): string[] {
  const [first] = late.toSorted((a, b) => (a.sealedThroughMs ?? 0) - (b.sealedThroughMs ?? 0));
  if (first === undefined) return [];
  const { sealedThroughMs, owner } = first;
  const through =
    sealedThroughMs === null ? "never" : `last at ${new Date(sealedThroughMs).toISOString()}`;
  const partitions = named(late.map(({ partition }) => partition));
  return [
    `${partitions}: sealed ${through}, more than two windows and LEASE ago; the owner ` +
      `${owner} is catching up, or its log says what it waits for`,
  ];
}

/** Told, and not red: payloads are taken and counted, and to refuse them would help nobody. */
function progressOf(ahead: readonly AheadPartition[]): string {
  if (ahead.length === 0) return "every partition seals";
  const untilMs = Math.max(...ahead.map(({ sealedThroughMs }) => sealedThroughMs));
  const until = new Date(untilMs).toISOString();
  return (
    `${named(ahead.map(({ partition }) => partition))}: the broker's clock was ahead, and the ` +
    `time of a stream does not go back: no window ends before ${until} at ` +
    "the latest, and payloads until then are in the one that is open; set the broker's clock right"
  );
}

function projectionsCheck(
  projections: readonly ProjectionHealth[],
  leaseMs: number,
): ReadinessCheck {
  const reasons = projections.flatMap((projection) => {
    const { name, paused, held, events, waitingMs } = projection;
    const seconds = Math.round(waitingMs / 1_000);
    if (paused) return [];
    if (!held && waitingMs > leaseMs) {
      return [`${name}: no projector lives; start a process with the role projector`];
    }
    if (waitingMs <= projectionLagMs) return [];
    return [
      `${name}: ${events} events behind for ${seconds} s; the projector is catching up, or its ` +
        "log says why not",
    ];
  });
  const paused = projections.filter((projection) => projection.paused).map(({ name }) => name);
  const good = paused.length === 0 ? "up to date" : `paused: ${paused.join(", ")}`;
  return check("projections", reasons, good);
}

/** @param full what ingest was refused, and what the owners' ticks were. */
function streamsCheck(
  full: readonly (readonly PartitionReason[])[],
  unanswered: readonly number[],
): ReadinessCheck {
  const byReason = new Map<string, Set<number>>();
  for (const { partition, reason } of full.flat()) {
    byReason.set(reason, (byReason.get(reason) ?? new Set()).add(partition));
  }
  const reasons = [...byReason].map(
    ([reason, partitions]) =>
      `${named([...partitions])}: no room (${reason}); raise the bound of the stream, make ` +
      "room on the broker's disk, or lower RAW_RETENTION",
  );
  if (unanswered.length > 0) {
    reasons.push(
      `${named([...new Set(unanswered)])}: messages are not stored, though the broker is ` +
        "connected; see its log, and whether its cluster has a quorum",
    );
  }
  return check("streams", reasons, "take messages");
}

function workerCheck({ running, owned, stopped, trusted }: Worker["status"]): ReadinessCheck {
  const reasons = bounded(stopped, ({ partition, reason }) => `partition ${partition}: ${reason}`);
  if (!trusted) reasons.unshift("the lease could not be renewed in time");
  if (running < owned) reasons.push(`${owned - running} partitions are being started`);
  return check("worker", reasons, `reads ${running} partitions`);
}

function check(name: string, reasons: readonly string[], good = ""): ReadinessCheck {
  const ok = reasons.length === 0;
  return { name, ok, detail: ok ? good : reasons.join("; ") };
}

function bounded<One>(list: readonly One[], text: (one: One) => string): string[] {
  const texts = list.slice(0, namedMax).map(text);
  return list.length > namedMax ? [...texts, `and ${list.length - namedMax} more`] : texts;
}

function named(partitions: readonly number[]): string {
  const sorted = partitions.toSorted((a, b) => a - b);
  const more = sorted.length > namedMax ? ` and ${sorted.length - namedMax} more` : "";
  const word = sorted.length === 1 ? "partition" : "partitions";
  return `${word} ${sorted.slice(0, namedMax).join(", ")}${more}`;
}
