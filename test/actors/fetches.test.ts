/** However messages were fetched, an owner makes the same events of them (invariant I4). */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { systemClock } from "../../src/actors/clock.ts";
import { PartitionOwner } from "../../src/actors/partitionOwner.ts";
import type { Commit, LogMessage, PayloadFeed } from "../../src/actors/ports.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";
import type { DomainEvent } from "../../src/domain/events.ts";
import { silentLog } from "../../src/log.ts";
import { arbitraryMessages } from "../support/arbitraryStreams.ts";
import { run, streamOf } from "../support/streams.ts";
import { until } from "../support/until.ts";
import { FakeStore, FakeStreams } from "./fakes.ts";

const windowMs = 300_000;
const startMs = 1_000 * windowMs;
const endMs = 2 * startMs;
const rules = { windowMs, partitions: 1, sessionMemoryMs: 3 * windowMs };

/** Hands out so many messages at a time. */
class FetchedStreams extends FakeStreams {
  constructor(
    private readonly messages: readonly LogMessage[],
    private readonly atATime: number,
  ) {
    super("one", messages.length);
  }

  override messageOf(sequence: number): LogMessage {
    return this.messages[sequence - 1] ?? super.messageOf(sequence);
  }

  override feed(): PayloadFeed {
    let next = 0;
    const stopped = Promise.withResolvers<readonly LogMessage[]>();
    return {
      next: async () => {
        if (next >= this.messages.length) return await stopped.promise;
        const fetched = this.messages.slice(next, next + this.atATime);
        next += this.atATime;
        return fetched;
      },
      restart: () => {},
      stop: async () => stopped.resolve([]),
    };
  }
}

class NotingStore extends FakeStore {
  readonly events: DomainEvent[] = [];

  override async commit(commit?: Commit) {
    this.events.push(...(commit?.events ?? []));
    return super.commit();
  }
}

/** Nothing that is waited for here takes its time. */
function briefly(ms: number, signal?: AbortSignal): Promise<void> {
  return systemClock.sleep(Math.min(ms, 1), signal);
}

async function eventsOf(messages: readonly LogMessage[], atATime: number) {
  // Before all windows, so that none ends by a tick of the owner's own.
  const clock = { ...systemClock, now: () => 0, sleep: briefly };
  const streams = new FetchedStreams(messages, atATime);
  const store = new NotingStore();
  const turns = new SlicedTurns(clock);
  const context = { streams, store, clock, log: silentLog, rules, turns };
  const owner = new PartitionOwner(
    { ...context, rawRetentionMs: 0, workerId: "worker" },
    { partition: 0, epoch: 1 },
  );
  await until(() => owner.state.sequence === messages.length, { what: "all is read" });
  await owner.stop();
  return store.events;
}

test("messages fetched 1, 7 or 1,000 at a time give the same events", async () => {
  const shape = { startMs, windowMs, waitMaxMs: 3 * windowMs, messagesMax: 40 };
  await fc.assert(
    fc.asyncProperty(arbitraryMessages(shape), async (list) => {
      const messages = streamOf(list, endMs);
      const { events } = run(messages, rules);
      for (const atATime of [1, 7, 1_000])
        expect(await eventsOf(messages, atATime)).toEqual(events);
    }),
    { numRuns: 50 },
  );
});
