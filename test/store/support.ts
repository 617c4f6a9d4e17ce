/** A database of its own for each test, and short ways to fill it. */
import postgres from "postgres";
import type { Checkpoint, CommitOutcome } from "../../src/actors/ports.ts";
import type { DomainEvent, Quarantined } from "../../src/domain/events.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresPartitionStore } from "../../src/store/partitions.ts";
import { prepareDatabase } from "../../src/store/prepare.ts";
import { Projector, type ProjectorOptions } from "../../src/store/projector.ts";
import { freshDatabase, testLog } from "../support/servers.ts";
import { until } from "../support/until.ts";

export const windowMs = 300_000;
/** The end of a window, some time ago. */
export const firstEndMs = Date.UTC(2024, 0, 1, 10, 5);

export function openTestDatabase(
  url: string,
  connectionsMax = 6,
  name = "test",
  isRepeatable = false,
): Database {
  return new Database({
    url,
    applicationName: name,
    connectionsMax,
    deadlineMs: 20_000,
    isRepeatable,
    log: testLog,
  });
}

/** Everything opened through it is stopped with it, in reverse order. */
export class TestStore implements AsyncDisposable {
  readonly #stops: (() => Promise<void>)[] = [];
  readonly database: Database;
  readonly partitions: PostgresPartitionStore;

  constructor(readonly url: string) {
    this.database = this.connect();
    this.partitions = new PostgresPartitionStore(this.database);
  }

  connect(connectionsMax = 6, name = "test"): Database {
    const database = openTestDatabase(this.url, connectionsMax, name);
    this.#stops.push(() => database.close());
    return database;
  }

  /** A projector with short waits, already started, over connections of its own. */
  project(options: Partial<ProjectorOptions> = {}): Projector {
    const { workerId = "projector-1" } = options;
    // Few, since a test may use many projectors, and they are closed when it ends.
    const database = this.connect(3, workerId);
    const defaults = { workerId, log: testLog, pollMs: 50, leaseMs: 1_000 };
    const projector = new Projector(database, { ...defaults, ...options });
    this.#stops.push(() => projector.stop());
    projector.start();
    return projector;
  }

  /** Waits until the live tables hold all events of the log. */
  async projected(): Promise<void> {
    const behind = () =>
      this.database.run(
        (sql) => sql`
          select from projection_positions own join partitions p using (partition)
          where own.build = 'live' and (own.position, own.sealed_through)
            is distinct from (p.position, p.sealed_through)
        `,
      );
    await until(async () => (await behind()).length === 0, {
      what: "all events are projected",
      timeoutMs: 30_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop();
  }
}

export async function freshStore(partitions = 4): Promise<TestStore> {
  const store = new TestStore(await freshDatabase());
  await prepareDatabase(store.database, { windowMs, partitions });
  return store;
}

/** Locks the row of a partition, as a commit under way does, until the function is called. */
export async function holdPartition(url: string, partition: number): Promise<() => Promise<void>> {
  const holder = postgres(url, { max: 1 });
  const locked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const holding = holder.begin(async (held) => {
    await held`select from partitions where partition = ${partition} for update`;
    locked.resolve();
    await released.promise;
  });
  await locked.promise;
  return async () => {
    released.resolve();
    await holding;
    await holder.end();
  };
}

/** Commits to one partition, one commit after the other, without owning it. */
export class Writer {
  epoch = 0;
  #last: Checkpoint = {
    streamCreated: "",
    sequence: 0,
    messageTime: "",
    position: 0,
    sealedThroughMs: 0,
    state: undefined,
  };

  constructor(
    readonly store: PostgresPartitionStore,
    readonly partition: number,
  ) {}

  get last(): Checkpoint {
    return this.#last;
  }

  async commit(
    events: readonly DomainEvent[],
    checkpoint: Partial<Checkpoint> = {},
    quarantined: readonly Quarantined[] = [],
  ): Promise<CommitOutcome> {
    const ends = events.map(({ data }) => Date.parse(data.windowEnd));
    const next: Checkpoint = {
      streamCreated: "2024-01-01T00:00:00Z",
      sequence: this.#last.sequence + 1,
      messageTime: "1704103500000000000",
      position: this.#last.position + events.length,
      sealedThroughMs: Math.max(this.#last.sealedThroughMs, ...ends),
      state: { open: [] },
      ...checkpoint,
    };
    const outcome = await this.store.commit({
      partition: this.partition,
      epoch: this.epoch,
      owner: "worker-1",
      expectedSequence: this.#last.sequence,
      expectedPosition: this.#last.position,
      checkpoint: next,
      events,
      quarantined,
    });
    if (outcome === "committed") this.#last = next;
    return outcome;
  }
}

interface SealedOptions {
  readonly customer?: string;
  readonly content?: string;
  readonly windowEndMs?: number;
  readonly cdn?: bigint;
  readonly p2p?: bigint;
  readonly sessions?: number;
  readonly lastSequence?: number;
  readonly tokens?: string;
}

export function sealed(options: SealedOptions = {}): DomainEvent {
  const { customer = "Customer1", content = "channel1", windowEndMs = firstEndMs } = options;
  return {
    type: "WindowSealed",
    version: 1,
    customer,
    content,
    data: {
      windowStart: new Date(windowEndMs - windowMs).toISOString(),
      windowEnd: new Date(windowEndMs).toISOString(),
      cdn: String(options.cdn ?? 1n),
      p2p: String(options.p2p ?? 0n),
      sessions: options.sessions ?? 1,
      payloads: 1,
      duplicates: 0,
      firstSequence: 1,
      lastSequence: options.lastSequence ?? 1,
      tokens: options.tokens ?? "",
    },
  };
}

/** One event for each of `count` contents of a partition, all of one window. */
export function windowOf(partition: number, count: number, windowEndMs: number): DomainEvent[] {
  return Array.from({ length: count }, (_, index) =>
    sealed({
      content: `channel-${partition}-${index}`,
      windowEndMs,
      cdn: BigInt(index),
      p2p: BigInt(partition),
      sessions: index % 7,
    }),
  );
}

/** Rows of a table as text, in the order of its key. */
export async function tableText(database: Database, table: string): Promise<string> {
  const rows = await database.run(
    (sql) => sql<{ line: string }[]>`
      select t::text as line from ${sql(table)} t order by t::text collate "C"
    `,
  );
  return rows.map(({ line }) => line).join("\n");
}

/** An event as it may stand in the log, of whatever version. */
interface RawEvent {
  readonly type: string;
  readonly version: number;
  readonly customer: string;
  readonly content: string;
  readonly data: unknown;
}

/**
 * Commits events of one kind to partition 0 under its first epoch, as no program would write them.
 */
export async function commitRaw(
  store: TestStore,
  events: readonly RawEvent[],
  checkpoint: {
    readonly expectedSequence: number;
    readonly expectedPosition: number;
    readonly sequence: number;
    readonly streamCreated: string;
    readonly sealedThrough: Date | null;
    readonly state: unknown;
  },
): Promise<unknown> {
  const { type = "", version = 0 } = events[0] ?? {};
  const lines = (of: (event: RawEvent) => string) => events.map(of).join("\n");
  const { expectedSequence, expectedPosition, sequence, streamCreated, sealedThrough } = checkpoint;
  const state = checkpoint.state === null ? null : JSON.stringify(checkpoint.state);
  const [row] = await store.database.run(
    (sql) => sql`
      select commit_partition(0, 0, 'test', ${expectedSequence}, ${expectedPosition},
        ${streamCreated}, ${sequence}, '', ${sealedThrough}, ${state}::text::jsonb,
        ${type}, ${version}, ${events.length}, ${lines(({ customer }) => customer)},
        ${lines(({ content }) => content)}, ${lines(({ data }) => JSON.stringify(data))},
        '[]') as outcome
    `,
  );
  return row?.outcome;
}
