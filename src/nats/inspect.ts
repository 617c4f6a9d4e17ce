/** What a check-up wants to know of NATS. */
import { AckPolicy, nanos } from "nats";
import type { Log } from "../log.ts";
import { millisOf, nanosOfRfc3339 } from "./brokerTime.ts";
import { connectNats, type NatsLink } from "./connection.ts";
import { streamName } from "./names.ts";
import { copiesOf, listStreams } from "./topology.ts";

export interface NatsFacts {
  readonly version: string;
  /** It belongs to a cluster, which can hold several copies of a stream. */
  readonly isClustered: boolean;
  /** How many copies the stream of each partition has, by name. */
  readonly copies: ReadonlyMap<string, number>;
  /** How many of them have a bound on bytes. */
  readonly boundedByBytes: number;
  /** By the broker's clock, epoch ms; undefined without streams. */
  readonly clockMs: number | undefined;
}

const connectTimeoutMs = 3_000;

/** @throws NatsUnusable, or when it does not answer. */
export async function inspectNats(url: string, partitions: number, log: Log): Promise<NatsFacts> {
  const link = await connectNats({ url, name: "payload-stats doctor", log, connectTimeoutMs });
  try {
    const streams = await listStreams(link, partitions);
    const copies = new Map(streams.map((info) => [info.config.name, copiesOf(info)]));
    return {
      version: link.serverVersion,
      isClustered: link.isClustered,
      copies,
      boundedByBytes: streams.filter(({ config }) => config.max_bytes > 0).length,
      clockMs: copies.size === partitions ? await brokerClock(link) : undefined,
    };
  } finally {
    await link.close();
  }
}

/** The broker tells its time when it creates something: here a consumer, gone at once. */
async function brokerClock(link: NatsLink): Promise<number> {
  const stream = streamName(0);
  const { created, name } = await link.manager.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(5_000),
  });
  await link.manager.consumers.delete(stream, name);
  return millisOf(nanosOfRfc3339(created));
}
