/**
 * The commit path, killed on both sides of every call that it makes to Postgres and to the broker,
 * and started again: each time events, tables and ledger are as if nothing had happened.
 *
 * Every failpoint has a partition of its own, and all partitions hold the same script.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { LogMessage } from "../../src/actors/ports.ts";
import { encodeTick } from "../../src/domain/envelope.ts";
import type { NatsLink } from "../../src/nats/connection.ts";
import { PostgresLedgerStore } from "../../src/store/ledger.ts";
import { freshStreams, readAll } from "../nats/support.ts";
import { buildWorker, Lane } from "../support/failpointLane.ts";
import { isMalformed, sendScript } from "../support/failpointScript.ts";
import { type NaiveMessage, type NaiveRow, naiveRows } from "../support/naiveModel.ts";
import { freshNatsServer } from "../support/servers.ts";
import { readStreams } from "../support/streamReader.ts";
import { logMessage, rowsOf, run } from "../support/streams.ts";
import { readTables, withoutPayloads } from "../support/tables.ts";

const script = { windowMs: 100, partitions: 84 };
const { windowMs, partitions } = script;
const sessionMemoryMs = 86_400_000;
/** Workers that run at the same time, each on a database of its own. */
const lanesMax = 2;
/** What has to be among the failpoints, so that none is lost unnoticed. */
const required = ["load", "rememberedTokens", "commit of events", "commit of an open window"]
  .concat(["workers", "forget", "renew", "leave", "state", "message", "feed", "next", "tick"])
  .concat(["statement of a commit", "lastSealedSequence", "purge", "stop"])
  .flatMap((call) => [`before ${call} #1`, `after ${call} #1`]);

interface Content {
  readonly stream: readonly LogMessage[];
  readonly messages: readonly NaiveMessage[];
  /** When the last window ends, epoch ms. */
  readonly throughMs: number;
}

let lanes: readonly Lane[] = [];
let link: NatsLink;
let contents: readonly Content[] = [];

beforeAll(async () => {
  const nats = await freshNatsServer();
  const fresh = await freshStreams(nats.url, partitions);
  link = fresh.link;
  await sendScript(nats.url, script);
  // They are read before a worker drops what is sealed.
  const messages = await readStreams(nats.url, partitions);
  contents = await Promise.all(
    Array.from({ length: partitions }, async (_, partition) => {
      const stream = await readAll(fresh.streams, partition);
      const lastMs = stream.at(-1)?.timeMs ?? 0;
      const throughMs = (Math.floor(lastMs / windowMs) + 1) * windowMs;
      const own = messages.filter((message) => message.partition === partition);
      return { stream, messages: own, throughMs };
    }),
  );
  const program = await buildWorker();
  const opening = Array.from({ length: lanesMax }, () => Lane.open(program, nats.url, script));
  lanes = await Promise.all(opening);
}, 60_000);

afterAll(async () => {
  await link?.close();
  for (const { store } of lanes) await store[Symbol.asyncDispose]();
});

/** Kills a worker at a failpoint, and lets another one catch up; false: it was not reached. */
async function killAndRestart(lane: Lane, partition: number, dieAt: string, stopping: boolean) {
  const { throughMs } = contents[partition] ?? { throughMs: 0 };
  await lane.offer(partition);
  const windowsMore = stopping ? 0 : 3;
  const { killed } = await lane.live({ partition, throughMs, windowsMore, dieAt });
  const restarted = { partition, throughMs, windowsMore: 0, dieAt: "", after: dieAt };
  if (killed) await lane.live(restarted);
  await lane.withdraw(partition);
  return killed;
}

/** What a partition's stream makes, read once, without an interruption, and by the naive model. */
function expectedOf({ stream, messages, throughMs }: Content) {
  const tick = logMessage(stream.length + 1, throughMs, encodeTick());
  const { events } = run([...stream, tick], { windowMs, partitions: 1, sessionMemoryMs });
  const good = messages.map((message) => ({
    ...message,
    payloads: message.payloads.filter((payload) => !isMalformed(payload)),
  }));
  const rows = naiveRows(good, windowMs, sessionMemoryMs / windowMs);
  const count = (list: readonly NaiveMessage[]) =>
    list.reduce((sum, { payloads }) => sum + payloads.length, 0);
  const sealed = [...rows.values()].reduce((sum, { payloads }) => sum + payloads, 0);
  const quarantined = count(messages) - count(good);
  const duplicates = count(good) - sealed;
  const ledger = { read: count(messages), sealed, open: 0, duplicates, quarantined };
  const numbered = events.map((event, i) => ({ position: i + 1, ...event }));
  return { rows, events, exact: { events: numbered, ledger } };
}

async function foundIn({ store: { database } }: Lane) {
  const events = await database.run(
    (sql) => sql`
      select partition, position::int, type, version, customer, content, data from events
      order by partition, events.position
    `,
  );
  const ledger = await new PostgresLedgerStore(database).entries([], 1_000_000);
  return (partition: number) => {
    const entry = ledger.find((one) => one.partition === partition);
    if (entry === undefined) throw new Error(`nothing is known of partition ${partition}`);
    const { read, sealed, open, duplicates, quarantined } = entry;
    return {
      events: events
        .filter((event) => event.partition === partition)
        .map(({ partition: _, ...event }) => event),
      ledger: { read, sealed, open, duplicates, quarantined },
    };
  };
}

/** Everything that the partitions left in their database; `failpoints` tells whose is wrong. */
async function expectExact(
  lane: Lane,
  own: readonly number[],
  failpoints: readonly string[],
): Promise<void> {
  const found = await foundIn(lane);
  const rows = new Map<string, NaiveRow>();
  for (const partition of own) {
    const content = contents[partition];
    if (content === undefined) throw new Error(`partition ${partition} has no stream`);
    const dieAt = failpoints[partition - 1] ?? "nowhere";
    const expected = expectedOf(content);
    expect(found(partition), `killed ${dieAt}`).toEqual(expected.exact);
    expect(rowsOf(expected.events)).toEqual(expected.rows);
    for (const [name, row] of expected.rows) rows.set(name, row);
  }
  lane.store.project();
  await lane.store.projected();
  expect(await readTables(lane.store.url)).toEqual(withoutPayloads(rows));
}

test("killed before or after any call, and started again, it counts the same", async () => {
  const [first] = lanes;
  if (first === undefined) throw new Error("no database");
  const { throughMs } = contents[0] ?? { throughMs: 0 };
  await first.offer(0);
  const whole = await first.live({ partition: 0, throughMs, windowsMore: 3, dieAt: "" });
  await first.withdraw(0);
  const failpoints = [...whole.working, ...whole.stopping];
  expect(failpoints.length).toBeLessThan(partitions);

  const tried = lanes.map((lane, i) => ({ lane, partitions: i === 0 ? [0] : [] }));
  const killedAt = new Set<string>();
  let next = 0;
  const working = tried.map(async (one) => {
    while (next < failpoints.length) {
      const index = next++;
      const dieAt = failpoints[index] ?? "";
      const partition = index + 1;
      one.partitions.push(partition);
      const isStopping = index >= whole.working.length;
      if (await killAndRestart(one.lane, partition, dieAt, isStopping)) killedAt.add(dieAt);
    }
  });
  await Promise.all(working);
  expect([...killedAt]).toEqual(expect.arrayContaining(required));
  for (const one of tried) await expectExact(one.lane, one.partitions, failpoints);
}, 300_000);
