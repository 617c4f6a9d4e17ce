/** What happens to processes, servers and clocks while devices send. */
import type { Broker } from "./broker.ts";
import type { Database } from "./database.ts";
import { pick } from "./devices.ts";
import type { Network, Reachability } from "./network.ts";
import type { Disturbances, Scenario } from "./scenario.ts";
import type { Traffic } from "./traffic.ts";
import type { Workers } from "./workers.ts";

interface Site {
  readonly scenario: Scenario;
  readonly network: Network;
  readonly database: Database;
  readonly broker: Broker;
  readonly workers: Workers;
  readonly traffic: Traffic;
  readonly clocks: { databaseSkewMs: number };
}

type Act = (site: Site) => void;

const acts: Readonly<Record<keyof Disturbances, Act>> = {
  kill({ network, workers }) {
    if (workers.running.length > 0) pick(network.random, workers.running).process.kill();
  },
  freeze({ network, workers, scenario }) {
    const awake = workers.running.filter(({ process }) => !process.frozen);
    if (awake.length === 0) return;
    const { process } = pick(network.random, awake);
    process.freeze();
    // Often past its lease, so that another worker takes over before it goes on.
    network.scheduler.after(network.random.between(0, 4) * scenario.leaseMs, () => {
      if (process.frozen) process.continue();
    });
  },
  leave({ network, workers }) {
    if (workers.running.length > 0) workers.leave(pick(network.random, workers.running));
  },
  storeAway: ({ network, database, scenario }) => away(network, database, scenario.awayMs),
  brokerAway({ network, broker, scenario }) {
    away(network, broker, scenario.awayMs);
    broker.disconnect();
  },
  brokerClock({ network, broker, scenario }) {
    broker.skewMs = network.random.between(-1.5, 1.5) * Math.min(scenario.windowMs, 10_000);
  },
  workerClock({ network, workers }) {
    if (workers.running.length === 0) return;
    pick(network.random, workers.running).process.skewMs = network.random.between(-9_000, 9_000);
  },
  databaseClock({ network, clocks }) {
    clocks.databaseSkewMs = network.random.between(-5_000, 5_000);
  },
  publisherCrash: ({ traffic }) => traffic.crashPublisher(),
  foreignMessage: ({ traffic }) => traffic.foreignMessage(),
};

function away(network: Network, server: Reachability, meanMs: number): void {
  const { random, scheduler } = network;
  server.away = random.chance(0.5) ? "refusing" : "silent";
  scheduler.after(random.exponential(meanMs), () => network.comeBack(server));
}

/** Plans everything that will happen between now and the end of the traffic. */
export function planDisturbances(site: Site): void {
  const { scenario, network, workers } = site;
  const { random, scheduler, coverage } = network;
  const during = () => scheduler.nowMs < scenario.trafficMs;
  for (const [name, mean] of Object.entries(scenario.disturbances)) {
    if (!isDisturbance(name)) continue;
    // Up to twice the mean, so that the mean is what it says.
    const times = Math.round(random.uniform() * 2 * mean);
    for (let i = 0; i < times; i++) {
      scheduler.after(random.uniform() * scenario.trafficMs, () => {
        coverage.count(`disturbance: ${name}`);
        acts[name](site);
      });
    }
  }
  const refill = () => {
    if (!during()) return;
    workers.fill();
    scheduler.after(random.exponential(1_500), refill);
  };
  refill();
  planDamage(site);
}

function planDamage({ scenario, network, database, broker, traffic }: Site): void {
  const { damage } = scenario;
  if (damage === undefined) return;
  const { scheduler, random, coverage } = network;
  const stream = broker.stream(damage.partition);
  const act = () => {
    if (scheduler.nowMs >= scenario.trafficMs) return;
    coverage.count(`damage: ${damage.kind}`);
    stream.damaged(damage.kind, damage.part);
  };
  scheduler.after(damage.atMs, () => {
    if (damage.after === "time") act();
    else stream.afterNext(damage.after, act);
  });
  if (damage.storeAwayMs === 0) return;
  scheduler.after(damage.atMs - damage.storeAwayMs, () => {
    database.away = "silent";
    scheduler.after(2 * damage.storeAwayMs, () => network.comeBack(database));
  });
  for (let i = 0; i < 10; i++) {
    traffic.sendAt(damage.atMs + random.between(-1, 1) * damage.storeAwayMs, damage.partition);
  }
}

function isDisturbance(name: string): name is keyof Disturbances {
  return name in acts;
}
