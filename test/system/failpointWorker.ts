/**
 * A worker as `src/system.ts` starts it, with failpoints around its ports. It works until its
 * stdin is closed, which is also what its parent's death does, and then stops as on SIGTERM.
 *
 *   bun failpointWorker.ts DATABASE_URL NATS_URL PARTITIONS WINDOW_MS [FAILPOINT]
 */
import { hostname } from "node:os";
import { type Clock, systemClock } from "../../src/actors/clock.ts";
import type {
  Commit,
  CommitOutcome,
  PartitionStore,
  PayloadFeed,
  PayloadStreams,
} from "../../src/actors/ports.ts";
import { SlicedTurns } from "../../src/actors/turns.ts";
import { Worker } from "../../src/actors/worker.ts";
import { isAlive } from "../../src/embedded/processes.ts";
import { createLog } from "../../src/log.ts";
import { connectNats } from "../../src/nats/connection.ts";
import { JetStreamStreams } from "../../src/nats/streams.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresLeaseStore } from "../../src/store/leases.ts";
import { PostgresPartitionStore } from "../../src/store/partitions.ts";
import { noteSessionMemory } from "../../src/store/sessionMemories.ts";
import { Failpoints } from "../support/failpoints.ts";

const [databaseUrl = "", natsUrl = "", partitions, windowMs, dieAt = ""] = process.argv.slice(2);
const statementMs = 5_000;
/** A checkpoint is due after less than this, and the stream may be trimmed. */
const jumpMs = 3_600_001;
/** Many jumps long. */
const leaseMs = 1_000_000_000;
const messagesAtOnce = 2;
const rules = {
  windowMs: Number(windowMs),
  partitions: Number(partitions),
  sessionMemoryMs: 86_400_000,
};

let aheadMs = 0;
const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + aheadMs };
const failpoints = new Failpoints(dieAt);

/**
 * Reads few messages at a time, with a long time between them: then there is a checkpoint in the
 * middle of each window, and its end trims the stream.
 */
class SlowStreams extends JetStreamStreams {
  override feed(...args: Parameters<PayloadStreams["feed"]>): PayloadFeed {
    const feed = super.feed(...args);
    return {
      next: async () => {
        const messages = await feed.next(messagesAtOnce);
        aheadMs += jumpMs;
        return messages;
      },
      restart: () => feed.restart(),
      stop: () => feed.stop(),
    };
  }
}

/** A commit is one statement. If it ever were two, it would be killed between them here. */
class WatchedCommits extends PostgresPartitionStore {
  readonly #statements = new PostgresPartitionStore(
    failpoints.around(database, () => "statement of a commit"),
    statementMs,
    turns,
  );

  override commit(commit: Commit): Promise<CommitOutcome> {
    return this.#statements.commit(commit);
  }
}

const log = createLog("error", (line) => process.stderr.write(line), Date.now);
const id = `${hostname()}-${process.pid}-${crypto.randomUUID().slice(0, 8)}`;
const database = new Database({
  url: databaseUrl,
  applicationName: id,
  connectionsMax: 2,
  deadlineMs: statementMs,
  log,
});
await noteSessionMemory(database, id, rules);
const link = await connectNats({ url: natsUrl, name: id, log });
const turns = new SlicedTurns(clock);
const worker = new Worker({
  identity: { id, host: hostname(), pid: process.pid },
  leases: failpoints.around(new PostgresLeaseStore(database)),
  leaseMs,
  owner: {
    streams: failpoints.around<PayloadStreams>(new SlowStreams(link, log)),
    store: failpoints.around<PartitionStore>(new WatchedCommits(database, statementMs, turns)),
    clock,
    log,
    rules,
    // What is sealed goes at once, so a reader that came back too early would miss it.
    rawRetentionMs: 0,
    turns,
  },
  // Questions about actors are no part of the commit path.
  serveActors: () => () => {},
  isDead: (pid) => !isAlive(pid),
});
worker.start();

process.stdin.on("end", async () => {
  failpoints.say("stopping");
  await worker.stop();
  await link.close();
  await database.close();
  process.exit(0);
});
process.stdin.resume();
