/** Puts together what questions about the past are answered from. */
import { systemClock } from "./actors/clock.ts";
import type { Rules } from "./domain/rules.ts";
import type { Log } from "./log.ts";
import type { NatsLink } from "./nats/connection.ts";
import { JetStreamStreams } from "./nats/streams.ts";
import type { Past } from "./replay/sources.ts";
import type { Database } from "./store/database.ts";
import { PostgresHistoryStore } from "./store/history.ts";
import { PostgresPartitionStore } from "./store/partitions.ts";

export function createPast(database: Database, link: NatsLink, log: Log, rules: Rules): Past {
  return {
    streams: new JetStreamStreams(link, log),
    history: new PostgresHistoryStore(database),
    store: new PostgresPartitionStore(database),
    clock: systemClock,
    rules,
  };
}
