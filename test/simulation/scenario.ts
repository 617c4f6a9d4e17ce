/**
 * What a seed chooses. Each kind of fault is in some runs only, and more or less likely there:
 * many faults at once hide what a few of them would show.
 */
import type { Random } from "../../src/simulator/random.ts";
import type { Damage, StreamRequest } from "./broker.ts";
import { pick } from "./devices.ts";
import type { DeliveryFaults } from "./feed.ts";
import type { RequestFaults } from "./network.ts";
import type { PublishFaults } from "./publisher.ts";

/** What happens to whole processes and servers, and how often in one run, on average. */
export interface Disturbances {
  readonly kill: number;
  readonly freeze: number;
  readonly leave: number;
  readonly storeAway: number;
  readonly brokerAway: number;
  readonly brokerClock: number;
  readonly workerClock: number;
  readonly databaseClock: number;
  readonly publisherCrash: number;
  readonly foreignMessage: number;
}

export interface Scenario {
  readonly partitions: number;
  readonly actors: number;
  readonly workers: number;
  readonly publishers: number;
  readonly windowMs: number;
  readonly memoryWindows: number;
  readonly leaseMs: number;
  readonly rawRetentionMs: number;
  /** The deadline of a statement of the store, and of a request to the broker. */
  readonly requestMs: number;
  /** How long a server is away, on average. */
  readonly awayMs: number;
  /** How long devices send and disturbances come. */
  readonly trafficMs: number;
  readonly messages: number;
  /** The part of that time in which devices send; then the streams are quiet. */
  readonly busyPart: number;
  readonly sameHost: boolean;
  /** Every process of a slot has the same pid, as in a container. */
  readonly samePids: boolean;
  readonly requests: RequestFaults;
  readonly deliveries: DeliveryFaults;
  readonly publishing: PublishFaults;
  readonly disturbances: Disturbances;
  readonly damage: DamagePlan | undefined;
}

interface DamagePlan {
  readonly kind: Damage;
  readonly partition: number;
  readonly atMs: number;
  /** At that time, or at once after the next request of this kind. */
  readonly after: "time" | StreamRequest;
  /** For so long before and after it the owner cannot commit, and devices send much. */
  readonly storeAwayMs: number;
  /** How much of what the stream holds is lost, from 0 to 1; at least one message. */
  readonly part: number;
}

export function chooseScenario(random: Random): Scenario {
  /** A value up to `max`, or nothing in a part of the runs. */
  const some = (max: number, share = 0.5) => (random.chance(share) ? max * random.uniform() : 0);
  const partitions = 1 + random.below(3);
  const windowMs = pick(random, [2_000, 5_000, 5_000, 12_000, 30_000]);
  const trafficMs = Math.max(3 * windowMs, random.between(20_000, 60_000));
  return {
    partitions,
    actors: partitions + random.below(3),
    workers: pick(random, [1, 1, 2, 2, 3]),
    publishers: 1 + random.below(2),
    windowMs,
    memoryWindows: 2 + random.below(5),
    leaseMs: pick(random, [2_000, 5_000]),
    rawRetentionMs: pick(random, [0, windowMs, 3_600_000]),
    requestMs: pick(random, [1_000, 5_000]),
    awayMs: pick(random, [1_000, 4_000, 12_000]),
    trafficMs,
    messages: 10 + random.below(30),
    busyPart: pick(random, [1, 1, 0.5]),
    sameHost: random.chance(0.5),
    samePids: random.chance(0.3),
    requests: {
      killed: some(0.03),
      requestLost: some(0.08),
      answerLost: some(0.15),
      late: some(0.1),
      slow: some(0.1),
    },
    deliveries: { silent: some(0.05), repeated: some(0.3), skipped: some(0.1), late: some(0.2) },
    publishing: {
      lost: some(0.2),
      answerLost: some(0.3),
      stray: some(0.2),
      twice: some(0.3),
      forgotten: some(1),
      poison: some(0.2),
    },
    disturbances: {
      kill: some(6),
      freeze: some(4),
      leave: some(4),
      storeAway: some(3),
      brokerAway: some(3),
      brokerClock: some(4),
      workerClock: some(3),
      databaseClock: some(2, 0.2),
      publisherCrash: some(3),
      foreignMessage: some(3),
    },
    damage: random.chance(0.25) ? chooseDamage(random, partitions, trafficMs) : undefined,
  };
}

function chooseDamage(random: Random, partitions: number, trafficMs: number): DamagePlan {
  const plan = {
    partition: random.below(partitions),
    atMs: random.between(0.2, 1) * trafficMs,
    storeAwayMs: 0,
  };
  // What a broker most easily loses is its last message: a tick in quiet times, or one that the
  // owner has in hand and cannot commit.
  const last = { ...plan, kind: "restored", part: 0 } as const;
  if (random.chance(0.2)) return { ...last, after: "tick" };
  if (random.chance(0.3)) {
    return { ...last, after: "time", storeAwayMs: random.between(300, 2_500) };
  }
  return {
    ...plan,
    kind: pick(random, ["recreated", "restored", "truncated"] as const),
    after: pick(random, ["time", "tick", "state", "message"] as const),
    part: pick(random, [0, random.uniform(), 1]),
  };
}
