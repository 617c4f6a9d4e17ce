/** When an owner commits between boundaries. */
import { expect, test } from "bun:test";
import { type Clock, systemClock } from "../../src/actors/clock.ts";
import { PartitionOwner } from "../../src/actors/partitionOwner.ts";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import {
  type Checkpoint,
  type Commit,
  CommitRejected,
  type LogMessage,
  type PayloadFeed,
  type Turns,
} from "../../src/actors/ports.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { BatchBuilder } from "../../src/domain/envelope.ts";
import { atOnce } from "../../src/domain/pausing.ts";
import { silentLog } from "../../src/log.ts";
import { until } from "../support/until.ts";
import { FakeStore, FakeStreams } from "./fakes.ts";

/** Hands out messages as they are given. */
class GivenStreams extends FakeStreams {
  readonly #given: LogMessage[] = [];
  isStopped = false;
  #wake = () => {};

  give(payloads: number, timeMs = this.lastSequence + 1, p2p = 1): void {
    const batch = new BatchBuilder();
    const sequence = ++this.lastSequence;
    for (let i = 0; i < payloads; i++) {
      const token = `${sequence}-${i}`;
      const actor = { customer: "a", content: "b" };
      const counts = { timespan: 1, p2p, cdn: 1, sessionDuration: 1 };
      batch.add({ ...actor, ...counts, token });
    }
    const data = new TextEncoder().encode(batch.encode("publisher", sequence));
    this.#given.push({ ...this.messageOf(sequence), timeMs, data });
    this.#wake();
  }

  override feed(): PayloadFeed {
    return {
      next: async () => {
        while (this.#given.length === 0 && !this.isStopped) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        return this.#given.splice(0);
      },
      restart: () => {},
      stop: async () => {
        this.isStopped = true;
        this.#wake();
      },
    };
  }
}

class NotingStore extends FakeStore {
  readonly commits: Checkpoint[] = [];

  constructor(private readonly checkpoint: Partial<Checkpoint> = {}) {
    super();
  }

  override async load() {
    return { ...(await super.load()), ...this.checkpoint };
  }

  override async commit(commit?: Commit) {
    if (commit !== undefined) this.commits.push(commit.checkpoint);
    return super.commit();
  }
}

/**
 * Messages are of the first milliseconds of 1970, where it stays, so that no boundary brings a
 * tick.
 */
const stillClock = { ...systemClock, now: () => 0 };
/** Long enough for a checkpoint of whatever was read since the last one. */
const intervalMs = 10_000;

function ownerOn(
  streams: FakeStreams,
  store: FakeStore,
  turns: Turns = new SlicedTurns(stillClock),
  clock: Clock = stillClock,
): PartitionOwner {
  const rules = { windowMs: 300_000, partitions: 1, sessionMemoryMs: 600_000 };
  const context = { streams, store, clock, log: silentLog, rules, turns };
  const owner = { ...context, rawRetentionMs: 0, workerId: "worker" };
  return new PartitionOwner(owner, { partition: 0, epoch: 1 });
}

test("waits with a checkpoint for as many payloads as the last one held tokens", async () => {
  const streams = new GivenStreams("one", 0);
  const store = new NotingStore();
  const owner = ownerOn(streams, store);
  const given = [200_100, 200_099, 1];
  for (const [index, payloads] of given.entries()) {
    streams.give(payloads);
    await until(() => owner.ready && owner.state.sequence === index + 1, {
      what: "it is read",
    });
  }
  await until(() => store.commits.length === 2, { what: "the second checkpoint" });
  expect(store.commits.map(({ sequence }) => sequence)).toEqual([1, 3]);
  expect(await owner.stop()).toEqual({ kind: "stopped" });
}, 30_000);

test("reads no tokens for a stream that is another", async () => {
  class CountingStore extends NotingStore {
    pages = 0;
    override rememberedTokens() {
      this.pages++;
      return super.rememberedTokens();
    }
  }
  const store = new CountingStore({ streamCreated: "one", sequence: 7, messageTime: "original 7" });
  const stopped = await ownerOn(new GivenStreams("another", 3), store).done;
  expect(stopped).toMatchObject({ kind: "halted", reason: expect.stringContaining("made anew") });
  expect(store.pages).toBe(0);
});

test("commits in the middle of what it read when the quarantine is full", async () => {
  const streams = new GivenStreams("one", 0);
  const store = new NotingStore();
  for (let i = 0; i < 3; i++) streams.give(6_000, undefined, -1);
  const owner = ownerOn(streams, store);
  await until(() => owner.ready && owner.state.sequence === 3, { what: "all is read" });
  expect(store.commits.map(({ sequence }) => sequence)).toEqual([2]);
  await owner.stop();
});

test("goes on without a checkpoint that is refused, until the boundary", async () => {
  const streams = new GivenStreams("one", 0);
  let refused = 0;
  const store = new (class extends NotingStore {
    override async commit(commit?: Commit) {
      if (commit?.checkpoint.sequence === 2) {
        refused++;
        throw new CommitRejected("total size of jsonb array elements exceeds the maximum");
      }
      return await super.commit(commit);
    }
  })();
  let nowMs = 0;
  const clock = { ...stillClock, monotonic: () => nowMs };
  const owner = ownerOn(streams, store, undefined, clock);
  // One of them is quarantined.
  for (const [index, p2p] of [1, 1, -1, 1].entries()) {
    nowMs += intervalMs;
    streams.give(1, undefined, p2p);
    await until(() => owner.ready && owner.state.sequence === index + 1, { what: "it is read" });
  }
  streams.give(1, 300_000);
  await until(() => store.commits.length === 2, { what: "the commit of the boundary" });
  expect(refused).toBe(1);
  // The windows that were too large are over.
  nowMs += intervalMs;
  streams.give(1, 300_001);
  await until(() => store.commits.length === 3, { what: "the checkpoint of the next windows" });
  expect(store.commits.map(({ sequence }) => sequence)).toEqual([1, 4, 6]);
  await owner.stop();
});

test("halts when a full quarantine is refused", async () => {
  const streams = new GivenStreams("one", 0);
  const store = new (class extends NotingStore {
    override async commit(commit?: Commit) {
      if (commit?.quarantined.length !== 0) throw new CommitRejected("refused");
      return await super.commit(commit);
    }
  })();
  for (let i = 0; i < 3; i++) streams.give(6_000, undefined, -1);
  const end = await ownerOn(streams, store).done;
  expect(end).toEqual({ kind: "halted", reason: expect.stringContaining("refused") });
});

test("reads no further when a commit of it is too late", async () => {
  const streams = new GivenStreams("one", 0);
  const store = new FakeStore();
  store.commit = async () => "fenced";
  streams.give(1);
  expect(await ownerOn(streams, store).done).toEqual({ kind: "fenced" });
  expect(streams.isStopped).toBe(true);
});

test("notes at once that its stream has another time of creation", async () => {
  const store = new NotingStore({
    ...{ streamCreated: "one", sequence: 8, messageTime: "original 8" },
    state: emptyPartitionState,
  });
  const owner = ownerOn(new GivenStreams("two", 8), store);
  await until(() => store.commits.length === 1, { what: "a checkpoint" });
  expect(store.commits[0]).toMatchObject({ streamCreated: "two", sequence: 8 });
  await owner.stop();
});

test("leaves nothing behind of a stream of which it read nothing", async () => {
  const store = new NotingStore();
  const owner = ownerOn(new GivenStreams("one", 0), store);
  await until(() => owner.ready, { what: "it reads" });
  expect(await owner.stop()).toEqual({ kind: "stopped" });
  expect(store.commits).toEqual([]);
});

test("saves without a turn at a boundary, also where nothing was there to be sealed", async () => {
  const streams = new GivenStreams("one", 0);
  const store = new NotingStore();
  let turns = 0;
  const run = async <Result>(work: Generator<unknown, Result>) => {
    turns++;
    return atOnce(work);
  };
  const owner = ownerOn(streams, store, { run, runNext: run });
  streams.give(1, 300_000);
  await until(() => store.commits.length === 1, { what: "the commit of the empty windows before" });
  expect(turns).toBe(1);
  await owner.stop();
});
