/**
 * Watches over conservation (invariant I9) from outside: every payload that a partition has read
 * is in an event, in an open window, a duplicate, or quarantined. The numbers come from different
 * hands: the owners counted what they read, the events and the quarantine are counted here.
 *
 * Sums over the event log go on from where they were, and start over from time to time, since what
 * was added up once may have been changed by hand later.
 */
import { errorMessage, type Log } from "../log.ts";
import type { Clock } from "./clock.ts";
import type {
  LedgerEntry,
  LedgerLine,
  LedgerReader,
  LedgerReport,
  LedgerStore,
} from "./operatorPorts.ts";
import type { ReadinessCheck } from "./readPorts.ts";

/** Events that are read in one statement. */
const eventsAtOnce = 200_000;
/** Between two looks at least this long passes, and many times as long as a look takes. */
const pauseMs = 2_000;
const pausePerWork = 20;
const pauseMsMax = 30_000;
/** All events are added up anew this often: more often where that takes less time. */
const recountMsMin = 10_000;
const recountMsMax = 10 * 60_000;
const recountPerWork = 50;
/** After failing for so long, what was found last says nothing of how things are. */
const unreadMsMax = 2 * 60_000;

export class LedgerWatch implements LedgerReader {
  readonly #abort = new AbortController();
  #entries: readonly LedgerEntry[] = [];
  #countedFromMs = Number.NEGATIVE_INFINITY;
  #recountMs = recountMsMin;
  #report: LedgerReport | undefined;
  #failure = "";
  #failingSinceMs: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Looks that have not begun, by whether they count anew. */
  readonly #due = new Map<boolean, Promise<LedgerReport>>();

  constructor(
    private readonly store: LedgerStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** What was found last. Before the first result nothing is known to be wrong. */
  get check(): ReadinessCheck {
    const failingMs = this.clock.monotonic() - (this.#failingSinceMs ?? Number.POSITIVE_INFINITY);
    if (failingMs > unreadMsMax) {
      const minutes = Math.floor(failingMs / 60_000);
      const detail = `it could not be read for ${minutes} minutes: ${this.#failure}`;
      return { name: "ledger", ok: false, detail };
    }
    const report = this.#report;
    if (report === undefined) {
      const detail = this.#failure === "" ? "the events are being counted" : this.#failure;
      return { name: "ledger", ok: true, detail };
    }
    const wrong = report.partitions.filter(({ balanced }) => !balanced);
    const detail = wrong.map(({ partition, missing }) => `${partition}: ${describe(missing)}`);
    const good = `${report.total.read} payloads are accounted for`;
    return { name: "ledger", ok: report.balanced, detail: detail.join("; ") || good };
  }

  start(): void {
    void this.#run();
  }

  /** Does not wait for a look that is under way, which may take long and changes nothing. */
  stop(): void {
    this.#abort.abort();
  }

  /** One at a time; who asks for what has not begun yet shares it. */
  report(recount: boolean): Promise<LedgerReport> {
    const due = this.#due.get(recount);
    if (due !== undefined) return due;
    const turn = this.#turn.then(() => {
      this.#due.delete(recount);
      return this.#count(recount);
    });
    this.#due.set(recount, turn);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #run(): Promise<void> {
    const { clock } = this;
    while (!this.#abort.signal.aborted) {
      const startedMs = clock.monotonic();
      try {
        await this.report(startedMs - this.#countedFromMs > this.#recountMs);
        this.#failure = "";
        this.#failingSinceMs = undefined;
      } catch (error) {
        this.#failure = errorMessage(error);
        this.#failingSinceMs ??= clock.monotonic();
        this.log.debug("the ledger could not be read", { error });
      }
      const workMs = clock.monotonic() - startedMs;
      const restMs = this.#failure === "" ? workMs * pausePerWork : 0;
      const sleepMs = Math.min(pauseMsMax, Math.max(pauseMs, restMs));
      await clock.sleep(sleepMs, this.#abort.signal);
    }
  }

  async #count(recount: boolean): Promise<LedgerReport> {
    const startedMs = this.clock.monotonic();
    if (recount) {
      this.#entries = [];
      this.#countedFromMs = startedMs;
    }
    do {
      this.#entries = await this.store.entries(this.#entries, eventsAtOnce);
    } while (this.#entries.some(({ countedTo, position }) => countedTo < position));
    if (recount) {
      const tookMs = this.clock.monotonic() - startedMs;
      this.#recountMs = Math.min(recountMsMax, Math.max(recountMsMin, tookMs * recountPerWork));
    }
    const report = reportOf(this.#entries);
    this.#say(report);
    this.#report = report;
    return report;
  }

  /** Once for each change, not at every look. */
  #say(report: LedgerReport): void {
    const wrong = report.partitions.filter(({ balanced }) => !balanced);
    const before = this.#report?.partitions.filter(({ balanced }) => !balanced) ?? [];
    const summary = (lines: readonly LedgerLine[]) =>
      lines.map(({ partition, missing }) => `${partition}: ${missing}`).join(", ");
    if (summary(wrong) === summary(before)) return;
    if (wrong.length === 0) this.log.info("the ledger is balanced again");
    else this.log.error("the ledger is not balanced", { partitions: wrong });
  }
}

/** The ledger that a set of entries makes. */
function reportOf(entries: readonly LedgerEntry[]): LedgerReport {
  const partitions = entries.map(({ countedTo: _, ...entry }) => {
    const { read, sealed, open, duplicates, quarantined } = entry;
    const missing = read - sealed - open - duplicates - quarantined;
    return { ...entry, missing, balanced: missing === 0 };
  });
  const sum = (value: (line: LedgerLine) => number) =>
    partitions.reduce((total, line) => total + value(line), 0);
  const balanced = partitions.every((line) => line.balanced);
  return {
    balanced,
    total: {
      read: sum((line) => line.read),
      sealed: sum((line) => line.sealed),
      open: sum((line) => line.open),
      duplicates: sum((line) => line.duplicates),
      quarantined: sum((line) => line.quarantined),
      missing: sum((line) => line.missing),
      balanced,
    },
    partitions,
  };
}

function describe(missing: number): string {
  return missing > 0 ? `${missing} payloads are nowhere` : `${-missing} payloads too many`;
}
