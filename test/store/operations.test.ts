/** Accepted losses, quarantine and ledger in Postgres. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { emptyPartitionState } from "../../src/actors/partitionState.ts";
import type { LossAcceptedData } from "../../src/domain/events.ts";
import { PostgresLedgerStore } from "../../src/store/ledger.ts";
import { PostgresLossStore } from "../../src/store/losses.ts";
import { PostgresQuarantineStore } from "../../src/store/quarantine.ts";
import { firstEndMs, freshStore, sealed, type TestStore, Writer, windowMs } from "./support.ts";

// Processes and servers are started here, on machines that may be busy.
setDefaultTimeout(60_000);

let store: TestStore;
beforeAll(async () => {
  store = await freshStore(4);
}, 60_000);
afterAll(() => store[Symbol.asyncDispose]());

const data: LossAcceptedData = {
  reason: "made anew",
  checkpoint: { sequence: 1, time: "5" },
  streamCreatedBefore: "a",
  streamCreatedAfter: "b",
  firstSequence: 1,
  lastSequence: 3,
  continuesFrom: 2,
};

/** An acceptance that fits the partition as its writer left it. */
function lossOf(writer: Writer) {
  return {
    partition: writer.partition,
    epoch: writer.epoch,
    expectedSequence: writer.last.sequence,
    expectedPosition: writer.last.position,
    streamCreated: "b",
    sequence: 1,
    messageTime: "7",
    countedTime: "9",
    emptyState: emptyPartitionState,
    data,
    by: "anna",
  };
}

const odd = (sequence: number, index = -1) => ({ sequence, index, reason: "odd", found: "x" });

describe("an accepted loss", () => {
  test("moves the checkpoint and records the event, once, and only while stopped", async () => {
    const losses = new PostgresLossStore(store.database);
    const writer = new Writer(store.partitions, 0);
    const event = sealed({ content: "before", lastSequence: 900 });
    await writer.commit([event], { sequence: 1_000, state: { open: ["kept"] } }, [odd(7)]);
    expect(await losses.accept(lossOf(writer))).toBe("running");
    // An owner that fails loses nothing: the next one goes on.
    await store.partitions.markStopped(0, 0, { reason: "TIMEOUT", isHalted: false });
    expect((await losses.left(0))?.halted).toBeUndefined();
    expect(await losses.accept(lossOf(writer))).toBe("running");
    // Nor is there a loss where an owner reads again what stopped the one before.
    await store.partitions.markStopped(0, 0, { reason: "replicas disagree", isHalted: true });
    await store.partitions.markGoingOn(0, 7);
    expect((await losses.left(0))?.halted).toBe("replicas disagree");
    await store.partitions.markGoingOn(0, 0);
    expect((await losses.left(0))?.halted).toBeUndefined();
    await store.partitions.markStopped(0, 0, { reason: "made anew", isHalted: true });
    expect(await losses.left(0)).toMatchObject({ halted: "made anew", lossAcceptedTime: "" });
    expect(await losses.left(99)).toBeUndefined();
    for (const wrong of [{ epoch: 1 }, { expectedSequence: 1 }, { expectedPosition: 2 }]) {
      expect(await losses.accept({ ...lossOf(writer), ...wrong })).toBe("conflict");
    }
    expect(await losses.accept(lossOf(writer))).toBe("accepted");
    expect(await losses.accept(lossOf(writer))).toBe("running");

    expect(await store.partitions.load(0)).toMatchObject({
      streamCreated: "b",
      sequence: 1,
      messageTime: "7",
      position: 2,
      sealedThroughMs: firstEndMs,
      state: { open: ["kept"] },
    });
    expect(await losses.left(0)).toMatchObject({
      epoch: 1,
      halted: undefined,
      lossAcceptedTime: "9",
    });
    const rows = await store.database.run(
      (sql) => sql`
        select position::int, version, customer, content, window_end, data, epoch::int, sealed_by
        from events where partition = 0 and type = 'LossAccepted'
      `,
    );
    const nobody = { customer: null, content: null, window_end: null };
    const beside = { position: 2, version: 1, epoch: 1, sealed_by: "anna" };
    expect([...rows]).toEqual([{ ...nobody, ...beside, data: { ...data } }]);
    // Whoever still has the old epoch is fenced, whatever it wants to write.
    expect(await writer.commit([])).toBe("fenced");
  });

  test("keeps old sequences away from the trimming, and old quarantine from new", async () => {
    const writer = new Writer(store.partitions, 0);
    writer.epoch = 1;
    const later = firstEndMs + windowMs;
    const both = { content: "open then", windowEndMs: later, lastSequence: 990 };
    // The window that was open at the loss may end with a sequence from before it.
    const place = { position: 3, sequence: 2, sealedThroughMs: later };
    const commit = (events: Parameters<Writer["commit"]>[0], at: object, sequences: number) =>
      store.partitions.commit({
        partition: 0,
        epoch: 1,
        owner: "worker-1",
        expectedSequence: sequences,
        expectedPosition: sequences + 1,
        checkpoint: { ...writer.last, streamCreated: "b", messageTime: "8", ...at },
        events,
        quarantined: [odd(7)],
      });
    expect(await commit([sealed(both)], place, 1)).toBe("committed");
    expect(await store.partitions.lastSealedSequence(0, later, 4e12)).toBe(0);
    const next = { content: "after", windowEndMs: later + windowMs, lastSequence: 3 };
    const after = { position: 4, sequence: 3, sealedThroughMs: later + windowMs };
    expect(await commit([sealed(next)], after, 2)).toBe("committed");
    expect(await store.partitions.lastSealedSequence(0, later + windowMs, 4e12)).toBe(3);

    const quarantine = new PostgresQuarantineStore(store.database);
    const where = { partition: 0, sequence: 7, index: -1 };
    const newest = await quarantine.find({ ...where, incarnation: undefined });
    const first = await quarantine.find({ ...where, incarnation: 0 });
    expect(newest?.place.incarnation).toBe(1);
    expect(first?.place.incarnation).toBe(0);
    expect(first?.id).not.toBe(newest?.id ?? 0);
    expect(await quarantine.find({ ...where, incarnation: 2 })).toBeUndefined();
  });

  test("gives a partition without a state an empty one", async () => {
    const losses = new PostgresLossStore(store.database);
    await store.partitions.markStopped(1, 0, { reason: "imported", isHalted: true });
    const never = new Writer(store.partitions, 1);
    expect(await losses.accept(lossOf(never))).toBe("accepted");
    const { state } = await store.partitions.load(1);
    expect(state).toEqual({ ...emptyPartitionState });
  });
});

describe("a claim for a retry", () => {
  test("succeeds again while it is open, and not after a decision", async () => {
    const quarantine = new PostgresQuarantineStore(store.database);
    const writer = new Writer(store.partitions, 2);
    await writer.commit([], {}, [odd(1, 0), odd(1, 1), odd(2)]);
    const rows = await quarantine.list({ partition: 2, limit: 10 });
    expect(rows.map(({ place }) => [place.sequence, place.index])).toEqual([
      [2, -1],
      [1, 1],
      [1, 0],
    ]);
    const [last, second, first] = rows.map(({ id }) => id);
    const page = await quarantine.list({ partition: 2, before: second ?? 0, limit: 10 });
    expect(page.map(({ id }) => id)).toEqual([first ?? 0]);
    expect(await quarantine.list({ partition: 2, reason: "other", limit: 10 })).toEqual([]);

    const id = first ?? 0;
    expect(await quarantine.claim(id, "anna")).toBe("claimed");
    expect(await quarantine.claim(id, "anna")).toBe("claimed");
    expect(await quarantine.discard(id, "anna")).toBe(false);
    await quarantine.retried(id, "2.9.0");
    expect(await quarantine.claim(id, "anna")).toBe("retried");
    expect(await quarantine.list({ partition: 2, state: "retried", limit: 10 })).toMatchObject([
      { retriedAs: "2.9.0", decidedBy: "anna", decidedAt: expect.any(String) },
    ]);
    expect(await quarantine.discard(second ?? 0, "bob")).toBe(true);
    expect(await quarantine.claim(second ?? 0, "anna")).toBe("discarded");
    expect(await quarantine.claim(123_456, "anna")).toBe("unknown");
    // Its owner may have forgotten a retry that was made so long ago.
    expect(await quarantine.claim(last ?? 0, "anna")).toBe("claimed");
    await store.database.run(
      (sql) => sql`
        update quarantine set retry_started_at = clock_timestamp() - interval '13 hours'
        where id = ${last ?? 0}
      `,
    );
    expect(await quarantine.claim(last ?? 0, "anna")).toBe("uncertain");
    // Nothing else is left to decide about it.
    expect(await quarantine.discard(last ?? 0, "anna")).toBe(true);
    expect(await quarantine.claim(last ?? 0, "anna")).toBe("discarded");
  });

  test("is refused when the owner may have to remember too many", async () => {
    const quarantine = new PostgresQuarantineStore(store.database);
    const many = Array.from({ length: 2_050 }, (_, i) => odd(10 + i));
    await new Writer(store.partitions, 3).commit([], {}, many);
    await store.database.run(
      (sql) => sql`
        update quarantine set state = 'retried', retry_started_at = clock_timestamp()
        where partition = 3 and sequence >= 12
      `,
    );
    const [, row] = (await quarantine.list({ partition: 3, state: "held", limit: 9 })).toReversed();
    expect(await quarantine.claim(row?.id ?? 0, "anna")).toBe("busy");
  });
});

describe("the ledger", () => {
  test("adds up events in steps, and gives what it added at a single moment", async () => {
    await using own = await freshStore(2);
    const ledger = new PostgresLedgerStore(own.database);
    const writer = new Writer(own.partitions, 1);
    const events = Array.from({ length: 25 }, (_, i) => sealed({ content: `c${i}` }));
    const counts = { read: 33, sealed: 25, duplicates: 4, quarantined: 1 };
    const windows = [{ payloads: 1 }, { payloads: 2 }];
    await writer.commit(events, { state: { ledger: counts, windows } }, [odd(1)]);

    let entries = await ledger.entries([], 10);
    expect(entries[1]).toMatchObject({ position: 25, countedTo: 10, sealed: 10 });
    entries = await ledger.entries(entries, 10);
    entries = await ledger.entries(entries, 10);
    const whole = { read: 33, sealed: 25, open: 3, duplicates: 4, quarantined: 1 };
    expect(entries[1]).toMatchObject({ ...whole, countedTo: 25 });
    expect(entries[0]).toMatchObject({ read: 0, sealed: 0, open: 0, position: 0 });
    // Only what is new is added to what was given.
    const pretended = entries.map((entry) => ({ ...entry, sealed: 1_000 }));
    expect((await ledger.entries(pretended, 10))[1]?.sealed).toBe(1_000);
    // A database that was put back from a backup is behind: the sum starts over.
    const ahead = entries.map((entry) => ({ ...entry, countedTo: 26, sealed: 1_000 }));
    expect((await ledger.entries(ahead, 100))[1]).toMatchObject({ countedTo: 25, sealed: 25 });
  });
});
