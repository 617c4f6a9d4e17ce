/** The two things that `modelConformance.test.ts` compares, behind one face. */
import type { LeaseStore, PartitionStore } from "../../src/actors/ports.ts";
import { Random } from "../../src/simulator/random.ts";
import { PostgresLeaseStore } from "../../src/store/leases.ts";
import { prepareDatabase } from "../../src/store/prepare.ts";
import { applyToLive } from "../../src/store/projectionState.ts";
import { sessions } from "../../src/store/projections/sessions.ts";
import { stats } from "../../src/store/projections/stats.ts";
import { Audit } from "../simulation/audit.ts";
import { Coverage } from "../simulation/coverage.ts";
import { Database } from "../simulation/database.ts";
import { Network } from "../simulation/network.ts";
import type { PartitionRow } from "../simulation/partitionRow.ts";
import { SimulatedProcess } from "../simulation/process.ts";
import { ProjectorModel } from "../simulation/projectorModel.ts";
import { Scheduler } from "../simulation/scheduler.ts";
import { SimulatedLeaseStore, SimulatedPartitionStore } from "../simulation/store.ts";
import { freshDatabase } from "../support/servers.ts";
import { TestStore, windowMs } from "./support.ts";

interface Stores {
  readonly partitions: PartitionStore;
  readonly leases: LeaseStore;
}

export interface Side {
  ask<Answer>(question: (stores: Stores) => Promise<Answer>): Promise<Answer>;
  /** Lets time pass for leases. */
  advance(ms: number): Promise<void>;
  /** One step of `stats` and one of `sessions`: how many events were applied, and are left. */
  project(eventsMax: number): Promise<unknown>;
  /** All that is stored, in an order of its own. */
  state(): Promise<unknown>;
}

const projections = [stats, sessions];
const deadlineMs = 10_000;
const noFaults = { killed: 0, requestLost: 0, answerLost: 0, late: 0, slow: 0 };

/** A renewal finds no row locked: one command ends before the next begins. */
class NothingLocked extends Random {
  override chance(): boolean {
    return false;
  }
}

export class ModelSide implements Side {
  readonly #scheduler = new Scheduler();
  readonly #database: Database;
  readonly #projector: ProjectorModel;
  readonly #stores: Stores;

  constructor(partitions: number) {
    const scheduler = this.#scheduler;
    const epochMs = Date.now();
    const coverage = new Coverage();
    // It objects to commits that no owner would make, which are what is tried here.
    const audit = new Audit(coverage);
    const random = new NothingLocked(1);
    const now = () => epochMs + scheduler.nowMs;
    const database = new Database(partitions, random, now, audit, () => {});
    const network = new Network(scheduler, random, coverage, noFaults);
    const process = new SimulatedProcess("process", 1, scheduler, epochMs);
    this.#database = database;
    this.#projector = new ProjectorModel(database, random);
    this.#stores = {
      partitions: new SimulatedPartitionStore(network, database, process, audit, deadlineMs),
      leases: new SimulatedLeaseStore(network, database, process, new Set(), deadlineMs),
    };
  }

  row(partition: number): PartitionRow {
    return this.#database.row(partition);
  }

  ask<Answer>(question: (stores: Stores) => Promise<Answer>): Promise<Answer> {
    let answered = false;
    const ended = () => {
      answered = true;
    };
    const answer = question(this.#stores);
    answer.then(ended, ended);
    this.#scheduler.run(this.#scheduler.nowMs + deadlineMs, () => answered);
    return answer;
  }

  async advance(ms: number): Promise<void> {
    this.#scheduler.run(this.#scheduler.nowMs + ms);
  }

  async project(eventsMax: number): Promise<unknown> {
    const step = this.#projector.step(eventsMax);
    return projections.map(() => step);
  }

  async state(): Promise<unknown> {
    const partitions = this.#database.rows.map(({ events, quarantine, state, ...row }) => ({
      ...row,
      state: state === undefined ? null : JSON.parse(state),
      owner: row.owner ?? null,
      stopped: row.stopped ?? null,
    }));
    const events = this.#database.rows.flatMap((row) =>
      row.events.map(({ event, windowEndMs, epoch }, index) => {
        const { partition } = row;
        return { partition, position: index + 1, windowEndMs, epoch, ...event };
      }),
    );
    const quarantine = this.#database.rows.flatMap(({ partition, quarantine: held }) =>
      [...held.values()]
        .map((one) => ({ partition, ...one }))
        .toSorted((a, b) => a.sequence - b.sequence || a.index - b.index),
    );
    const positions = projections.flatMap(({ name }) =>
      this.#database.rows.map(({ partition }) => {
        return { name, partition, ...this.#projector.through(partition) };
      }),
    );
    const rows = [...this.#projector.rows].map(([key, { cdn, p2p, sessions: count }]) =>
      JSON.stringify([...JSON.parse(key), String(cdn), String(p2p), count]),
    );
    return { partitions, events, quarantine, positions, rows: rows.toSorted() };
  }
}

export class PostgresSide implements Side, AsyncDisposable {
  readonly #stores: Stores;

  private constructor(private readonly store: TestStore) {
    const leases = new PostgresLeaseStore(store.database);
    this.#stores = { partitions: store.partitions, leases };
  }

  static async with(partitions: number): Promise<PostgresSide> {
    const url = new URL(await freshDatabase());
    // Nothing crashes here, and waiting for the disk is most of the time.
    url.searchParams.set("synchronous_commit", "off");
    const store = new TestStore(url.href);
    await prepareDatabase(store.database, { windowMs, partitions });
    return new PostgresSide(store);
  }

  ask<Answer>(question: (stores: Stores) => Promise<Answer>): Promise<Answer> {
    return question(this.#stores);
  }

  /** The server's clock cannot be moved, so the leases are. */
  async advance(ms: number): Promise<void> {
    await this.store.database.run(
      (sql) => sql`
        update workers set lease_until = lease_until - ${ms}::float8 * interval '1 millisecond'
      `,
    );
  }

  async project(eventsMax: number): Promise<unknown> {
    const { database } = this.store;
    const steps: unknown[] = [];
    for (const definition of projections) {
      const held = { version: definition.version, liveApply: null };
      const step = await applyToLive(database, definition, held, eventsMax);
      steps.push({ applied: Number(step.applied), behind: Number(step.behind) });
    }
    return steps;
  }

  async state(): Promise<unknown> {
    const [row] = await this.store.database.run((sql) =>
      sql.unsafe<{ tables: Record<string, unknown>; rows: unknown[] }[]>(stateQuery),
    );
    return { ...row?.tables, rows: row?.rows.map((one) => JSON.stringify(one)).toSorted() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
  }
}

/** Epoch ms; 0 where there is no time, as in a checkpoint. */
function ms(column: string): string {
  return `coalesce(extract(epoch from ${column}) * 1000, 0)::bigint`;
}

const stateQuery = `
  select jsonb_build_object(
    'partitions', (
      select jsonb_agg(jsonb_build_object(
        'partition', partition, 'owner', owner, 'epoch', epoch, 'streamCreated', stream_created,
        'sequence', sequence, 'messageTime', message_time, 'position', position,
        'sealedThroughMs', ${ms("sealed_through")}, 'state', state, 'stopped', stopped
      ) order by partition)
      from partitions
    ),
    'events', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'partition', partition, 'position', position, 'windowEndMs', ${ms("window_end")},
        'epoch', epoch, 'type', type, 'version', version, 'customer', customer,
        'content', content, 'data', data
      ) order by partition, position), '[]')
      from events
    ),
    'quarantine', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'partition', partition, 'sequence', sequence, 'index', index, 'reason', reason,
        'found', found
      ) order by partition, sequence, index), '[]')
      from quarantine
    ),
    'positions', (
      select jsonb_agg(jsonb_build_object(
        'name', projection, 'partition', partition, 'position', position,
        'sealedThroughMs', ${ms("sealed_through")}
      ) order by projection desc, partition)
      from projection_positions where projection in ('stats', 'sessions') and build = 'live'
    )
  ) as tables, (
    select coalesce(jsonb_agg(jsonb_build_array(
      ${ms("time")}, customer, content, cdn::text, p2p::text, sessions
    )), '[]')
    from stats full join sessions using (time, customer, content)
  ) as rows`;
