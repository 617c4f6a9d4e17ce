import type { AdminQueries, ReadinessCheck } from "./actors/readPorts.ts";
import type { Worker } from "./actors/worker.ts";
import { errorMessage } from "./log.ts";

export interface ReadinessSources {
  readonly admin: AdminQueries;
  natsConnected(): boolean;
  readonly ledger: { readonly check: ReadinessCheck };
  /** Undefined without the role worker. */
  readonly worker: Worker | undefined;
}

export type Readiness = () => Promise<readonly ReadinessCheck[]>;

/** The checks of `/readyz`, each asked when it is called. */
export function readinessOf(sources: ReadinessSources): Readiness {
  return async () => {
    const connected = sources.natsConnected();
    const nats = { name: "nats", ok: connected, detail: connected ? "connected" : "not connected" };
    const worker = sources.worker === undefined ? [] : [workerCheck(sources.worker)];
    const database = await databaseChecks(sources.admin);
    return [nats, ...database, sources.ledger.check, ...worker];
  };
}

/** Postgres itself, and what it says of all partitions, whichever process owns them. */
async function databaseChecks(admin: AdminQueries): Promise<ReadinessCheck[]> {
  try {
    const partitions = await admin.partitions();
    const unowned = partitions.filter(({ owner }) => owner === undefined);
    const stopped = partitions.filter((partition) => partition.stopped !== undefined);
    const reasons = [
      ...stopped.map(
        ({ partition, stopped: reason }) => `partition ${partition} is stopped: ${reason}`,
      ),
      ...(unowned.length > 0 ? [`${unowned.length} have no owner`] : []),
    ];
    const detail = reasons.length === 0 ? `${partitions.length} are owned` : reasons.join("; ");
    return [
      { name: "postgres", ok: true, detail: "answers" },
      { name: "partitions", ok: reasons.length === 0, detail },
    ];
  } catch (error) {
    return [{ name: "postgres", ok: false, detail: errorMessage(error) }];
  }
}

function workerCheck(worker: Worker): ReadinessCheck {
  const { running, owned, stopped, trusted } = worker.status;
  const reasons = stopped.map(({ partition, reason }) => `partition ${partition}: ${reason}`);
  if (!trusted) reasons.unshift("the lease could not be renewed in time");
  if (running < owned) reasons.push(`${owned - running} partitions are being started`);
  const detail = reasons.length === 0 ? `reads ${running} partitions` : reasons.join("; ");
  return { name: "worker", ok: reasons.length === 0, detail };
}
