/** The kinds of faults, and the order in which a seed deals them. */
import { Random } from "../../simulator/random.ts";

type Target = "ingest" | "worker" | "projector" | "admin" | "nats" | "postgres";

type Action =
  /** SIGKILL, and started again soon. */
  | "kill"
  /** SIGKILL, and started again when its lease has run out. */
  | "kill for long"
  /** SIGSTOP, and SIGCONT within the lease. */
  | "pause"
  /** SIGSTOP, and SIGCONT when the lease has run out. */
  | "pause for long"
  /** The clean signal, and started again at once. */
  | "restart"
  /** Backends of our processes are terminated, one every 150 ms. */
  | "terminate backends";

export interface FaultKind {
  readonly target: Target;
  readonly action: Action;
}

export interface Fault extends FaultKind {
  /** Which of several processes, as a share of them from 0 to 1. */
  readonly pick: number;
  /** How long the process is away or the storm lasts; 0 for what takes the time it takes. */
  readonly durationMs: number;
}

/** One entry of the schedule: one fault, or two at almost the same time. */
export interface Blow {
  readonly faults: readonly [Fault, ...Fault[]];
  /** Between the first and the second. */
  readonly gapMs: number;
  /** When it strikes: as a share of its slot, and whether at the end of a window. */
  readonly share: number;
  readonly atBoundary: boolean;
  /** From the end of the window. */
  readonly offsetMs: number;
}

const kinds: readonly FaultKind[] = [
  ...(["ingest", "worker", "projector"] as const).flatMap((target) =>
    (["kill", "kill for long", "pause", "pause for long", "restart"] as const).map((action) => ({
      target,
      action,
    })),
  ),
  // A worker's death matters most: it comes twice as often.
  { target: "worker", action: "kill for long" },
  { target: "worker", action: "pause for long" },
  { target: "admin", action: "kill" },
  { target: "admin", action: "pause for long" },
  { target: "nats", action: "kill" },
  { target: "nats", action: "kill for long" },
  { target: "nats", action: "pause" },
  { target: "nats", action: "restart" },
  { target: "postgres", action: "kill" },
  { target: "postgres", action: "restart" },
  { target: "postgres", action: "terminate backends" },
];

/**
 * A nats-server that is stopped for longer than an election takes (4 s and more) and then goes on
 * is dealt only when asked for: nats-server 2.9.10 keeps what it had stored as the old leader, so
 * that replicas differ, and no reader can know. See docs/RELIABILITY.md.
 */
const longNatsPause: FaultKind = { target: "nats", action: "pause for long" };

interface ScheduleOptions {
  readonly faults: number;
  readonly leaseMs: number;
  readonly longNatsPauses: boolean;
}

/** Exactly `faults` faults, in rounds that hold every kind. */
export function schedule(seed: number, options: ScheduleOptions): Blow[] {
  const { faults, leaseMs } = options;
  const cards = options.longNatsPauses ? [...kinds, longNatsPause] : kinds;
  const random = new Random(seed);
  const blows: Blow[] = [];
  let deck: FaultKind[] = [];
  let dealt = 0;
  /** Undefined when all are dealt, or when only those of `except` are left in the deck. */
  const deal = (except?: Target): Fault | undefined => {
    if (dealt >= faults) return undefined;
    if (deck.length === 0) deck = shuffled(random, cards);
    const at = deck.findIndex(({ target }) => target !== except);
    const kind = deck[at];
    if (kind === undefined) return undefined;
    deck.splice(at, 1);
    dealt++;
    const durationMs = duration(random, kind, leaseMs);
    return { ...kind, pick: random.uniform(), durationMs };
  };
  for (let first = deal(); first !== undefined; first = deal()) {
    // Servers of one kind fail one at a time, so two at once are of different kinds.
    const double = dealt < faults && random.chance(0.25);
    const second = double ? deal(first.target) : undefined;
    blows.push({
      faults: second === undefined ? [first] : [first, second],
      gapMs: random.between(50, 1_500),
      share: random.uniform(),
      atBoundary: random.chance(0.6),
      offsetMs: random.between(-1_500, 200),
    });
  }
  return blows;
}

function duration(random: Random, { target, action }: FaultKind, leaseMs: number): number {
  switch (action) {
    case "kill":
      return random.between(100, 0.2 * leaseMs);
    case "pause":
      return random.between(0.2 * leaseMs, 0.7 * leaseMs);
    case "kill for long":
    case "pause for long":
      return random.between(1.2 * leaseMs, 1.6 * leaseMs);
    case "terminate backends":
      return random.between(0.8 * leaseMs, 1.6 * leaseMs);
    case "restart":
      return target === "nats" ? random.between(0, 1_000) : 0;
  }
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const left = [...items];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(random.below(left.length), 1));
  return result;
}
