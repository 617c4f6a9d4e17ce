/** The streams of the log of payloads: one for each partition. */
import {
  DiscardPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "nats";
import type { Log } from "../log.ts";
import { apiCodeOf, apiCodes, isTransient } from "./apiError.ts";
import { type NatsLink, NatsUnusable } from "./connection.ts";
import { payloadSubject, streamName } from "./names.ts";

export interface Topology {
  readonly partitions: number;
  /** Copies that each stream has at least: 1, 3 or 5. */
  readonly replicas: number;
}

const parallelism = 32;
const patienceMs = 60_000;
/** How long subjects may overlap: with the same stream while another process makes it. */
const overlapMs = 2_000;

/**
 * Makes sure that every partition has its stream, as it should be. May be run by several processes
 * at the same time, and again at every start. Copies are added and never taken away: a process that
 * was started without the setting would lower what a 202 is worth, for all of them.
 * @returns how many copies each stream has or is given, by name.
 * @throws NatsUnusable when a stream is there with settings that would break the log.
 */
export async function ensureStreams(
  link: NatsLink,
  topology: Topology,
): Promise<ReadonlyMap<string, number>> {
  const deadlineMs = performance.now() + patienceMs;
  const copies = new Map<string, number>();
  let next = 0;
  const worker = async () => {
    while (next < topology.partitions) {
      const partition = next++;
      const count = await ensureStream(link, topology, partition, deadlineMs);
      copies.set(streamName(partition), count);
    }
  };
  await Promise.all(Array.from({ length: parallelism }, worker));
  return copies;
}

/**
 * The same at the start of a process, which says so when streams have more copies than it wants.
 */
export async function prepareStreams(link: NatsLink, topology: Topology, log: Log): Promise<void> {
  const { replicas } = topology;
  const copies = await ensureStreams(link, topology);
  const kept = [...copies].filter(([, count]) => count > replicas);
  if (kept.length === 0) return;
  log.warn("streams have more copies than STREAM_REPLICAS says, and keep them", {
    streamReplicas: replicas,
    streams: kept.map(([name, count]) => `${name}: ${count}`),
    toLower: lowerCopiesCommand(kept[0]?.[0] ?? "", replicas),
  });
}

/**
 * Makes the stream of a partition when it is gone; leaves one that is there as it is. It gets the
 * most copies that another has, whatever the process that makes it was told.
 */
export async function makeMissingStream(
  link: NatsLink,
  topology: Topology,
  partition: number,
): Promise<void> {
  const name = streamName(partition);
  if ((await findStream(link, name)) !== undefined) return;
  const others = await listStreams(link, topology.partitions);
  const replicas = Math.max(topology.replicas, ...others.map(copiesOf));
  await link.manager.streams.add(streamConfig({ ...topology, replicas }, partition));
}

/**
 * The streams of the partitions. The broker leaves those out that have no leader, for a moment or
 * for good.
 */
export async function listStreams(link: NatsLink, partitions: number): Promise<StreamInfo[]> {
  const ours = new Set(Array.from({ length: partitions }, (_, p) => streamName(p)));
  const streams: StreamInfo[] = [];
  for await (const info of link.manager.streams.list()) {
    if (ours.has(info.config.name)) streams.push(info);
  }
  return streams;
}

/**
 * How many copies of a stream there are. A server without a cluster takes a larger number in an
 * edit, keeps one copy, and does not open the stream any more at its next start (nats-server#8464).
 */
export function copiesOf({ config, cluster }: StreamInfo): number {
  return isOfCluster(cluster) ? config.num_replicas : 1;
}

/**
 * A server alone says nothing of a cluster up to 2.9, and later names itself as a leader of none.
 */
function isOfCluster(cluster: StreamInfo["cluster"]): boolean {
  return cluster !== undefined && cluster.name !== undefined && cluster.name !== "";
}

/** A start never lowers them, so an operator does, with the `nats` command line. */
export function lowerCopiesCommand(stream: string, replicas: number): string {
  return `nats stream edit ${stream} --replicas ${replicas}`;
}

async function ensureStream(
  link: NatsLink,
  topology: Topology,
  partition: number,
  deadlineMs: number,
): Promise<number> {
  const config = streamConfig(topology, partition);
  let overlapEndsMs: number | undefined;
  for (;;) {
    try {
      const found = await findStream(link, config.name);
      // Creating a stream that another process just created in the same way succeeds.
      if (found !== undefined) return await align(link, found, config);
      await link.manager.streams.add(config);
      return config.num_replicas;
    } catch (error) {
      const code = apiCodeOf(error);
      const overlaps = code === apiCodes.subjectsOverlap;
      const mayPass = isTransient(error) || overlaps || code === apiCodes.streamNameInUse;
      if (overlaps) overlapEndsMs ??= performance.now() + overlapMs;
      const endsMs = overlaps ? (overlapEndsMs ?? deadlineMs) : deadlineMs;
      if (!mayPass || performance.now() > endsMs) throw refusal(error, config);
      await Bun.sleep(250);
    }
  }
}

function streamConfig(topology: Topology, partition: number) {
  return {
    name: streamName(partition),
    subjects: [payloadSubject(partition)],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    // Payloads that do not fit are refused at the door; old ones are never dropped for new ones.
    discard: DiscardPolicy.New,
    max_age: 0,
    max_msgs: -1,
    max_bytes: -1,
    num_replicas: topology.replicas,
  } satisfies Partial<StreamConfig>;
}

type OurConfig = ReturnType<typeof streamConfig>;

async function findStream(link: NatsLink, name: string): Promise<StreamInfo | undefined> {
  try {
    return await link.manager.streams.info(name);
  } catch (error) {
    if (apiCodeOf(error) === apiCodes.streamNotFound) return undefined;
    throw error;
  }
}

/**
 * What the log's guarantees rest on may not differ; copies follow our setting where that adds some.
 * A bound that an operator has put on the stream stays. Resolves with how many copies there are.
 */
async function align(link: NatsLink, found: StreamInfo, wanted: OurConfig): Promise<number> {
  const { config } = found;
  const wrong = (["storage", "retention", "discard", "max_age"] as const).filter(
    (name) => config[name] !== wanted[name],
  );
  const subjects = config.subjects ?? [];
  if (wrong.length > 0 || subjects.join() !== wanted.subjects.join()) {
    const names = subjects.join() === wanted.subjects.join() ? wrong : ["subjects", ...wrong];
    throw new NatsUnusable(
      `stream ${wanted.name} exists with other settings (${names.join(", ")}); ` +
        "use another NATS account, or remove the stream if its payloads are not needed",
    );
  }
  const isAlone = !isOfCluster(found.cluster) && link.connection.info?.cluster === undefined;
  if (isAlone && wanted.num_replicas > 1) throw needsCluster(wanted);
  const num_replicas = isAlone ? 1 : Math.max(wanted.num_replicas, config.num_replicas);
  if (config.num_replicas !== num_replicas) {
    await link.manager.streams.update(wanted.name, { num_replicas });
  }
  return num_replicas;
}

function refusal(error: unknown, config: OurConfig): Error {
  if (error instanceof NatsUnusable) return error;
  if (apiCodeOf(error) === apiCodes.replicasNotSupported) {
    return needsCluster(config, error);
  }
  if (apiCodeOf(error) === apiCodes.subjectsOverlap) {
    return new NatsUnusable(
      `another stream than ${config.name} takes ${config.subjects.join()}; ` +
        "use another NATS account, or remove that stream",
      { cause: error },
    );
  }
  const { name, num_replicas } = config;
  const copies = num_replicas > 1 ? ` with STREAM_REPLICAS=${num_replicas}` : "";
  return new NatsUnusable(`stream ${name} cannot be created${copies}`, { cause: error });
}

function needsCluster({ num_replicas }: OurConfig, cause?: unknown): NatsUnusable {
  const reason = `streams with ${num_replicas} replicas need a NATS cluster; set STREAM_REPLICAS=1`;
  return new NatsUnusable(reason, { cause });
}
