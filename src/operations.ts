/** Puts together what operators use: the ledger, the quarantine, and the acceptance of losses. */
import { LossAcceptance } from "./actors/acceptLoss.ts";
import { systemClock } from "./actors/clock.ts";
import { LedgerWatch } from "./actors/ledgerWatch.ts";
import { QuarantineDesk } from "./actors/quarantineDesk.ts";
import type { Log } from "./log.ts";
import type { NatsLink } from "./nats/connection.ts";
import { JetStreamStreams } from "./nats/streams.ts";
import { makeMissingStream, type Topology } from "./nats/topology.ts";
import type { Database } from "./store/database.ts";
import { PostgresLedgerStore } from "./store/ledger.ts";
import { PostgresLossStore } from "./store/losses.ts";
import { PostgresQuarantineStore } from "./store/quarantine.ts";

export interface Operations {
  readonly ledger: LedgerWatch;
  readonly quarantine: QuarantineDesk;
  readonly partitionControl: LossAcceptance;
}

export function createOperations(
  database: Database,
  link: NatsLink,
  topology: Topology,
  log: Log,
): Operations {
  const streams = new JetStreamStreams(link, log);
  return {
    ledger: new LedgerWatch(new PostgresLedgerStore(database), systemClock, log),
    quarantine: new QuarantineDesk(streams, new PostgresQuarantineStore(database), streams),
    partitionControl: new LossAcceptance(streams, new PostgresLossStore(database), (partition) =>
      makeMissingStream(link, topology, partition),
    ),
  };
}
