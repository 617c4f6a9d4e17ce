/** What operators use, in memory, for tests of what HTTP makes of it. */
import type {
  AcceptLossOutcome,
  DiscardOutcome,
  LedgerReader,
  LedgerReport,
  PartitionControl,
  QuarantineControl,
  QuarantineQuery,
  QuarantineRow,
  RetryOutcome,
} from "../../src/actors/operatorPorts.ts";
import { formatPlace, type QuarantinePlace } from "../../src/domain/receipt.ts";

export class MemoryQuarantine implements QuarantineControl {
  readonly rows: QuarantineRow[] = [];
  readonly asked: QuarantineQuery[] = [];
  readonly decided: string[] = [];
  retryOutcome: RetryOutcome = { kind: "retried", retriedAs: "7.2001.0" };
  discardOutcome: DiscardOutcome = "discarded";

  async list(query: QuarantineQuery): Promise<readonly QuarantineRow[]> {
    this.asked.push(query);
    return this.rows.slice(0, query.limit);
  }

  async find(place: QuarantinePlace): Promise<QuarantineRow | undefined> {
    return this.rows.find((row) => formatPlace(row.place) === formatPlace(place));
  }

  async retry(place: QuarantinePlace, by: string): Promise<RetryOutcome> {
    this.decided.push(`retry ${formatPlace(place)} ${by}`);
    return this.retryOutcome;
  }

  async discard(place: QuarantinePlace, by: string): Promise<DiscardOutcome> {
    this.decided.push(`discard ${formatPlace(place)} ${by}`);
    return this.discardOutcome;
  }
}

export class MemoryPartitionControl implements PartitionControl {
  readonly accepted: string[] = [];
  outcome: AcceptLossOutcome = { kind: "running" };

  async acceptLoss(partition: number, by: string): Promise<AcceptLossOutcome> {
    this.accepted.push(`${partition} ${by}`);
    return this.outcome;
  }
}

export class MemoryLedger implements LedgerReader {
  readonly recounts: boolean[] = [];
  current: LedgerReport = {
    balanced: true,
    total: {
      read: 0,
      sealed: 0,
      open: 0,
      duplicates: 0,
      quarantined: 0,
      missing: 0,
      balanced: true,
    },
    partitions: [],
  };

  async report(recount: boolean): Promise<LedgerReport> {
    this.recounts.push(recount);
    return this.current;
  }
}
