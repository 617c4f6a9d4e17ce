/** The streams of the log of payloads: one for each partition. */
import {
  DiscardPolicy,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "nats";
import { apiCodeOf, apiCodes, isTransient } from "./apiError.ts";
import { type NatsLink, NatsUnusable } from "./connection.ts";
import { payloadSubject, streamName } from "./names.ts";

export interface Topology {
  readonly partitions: number;
  /** Copies of each stream: 1, 3 or 5. */
  readonly replicas: number;
  /** The most that one stream may hold; publishing fails beyond it. No bound when left out. */
  readonly streamBytesMax?: number;
}

const parallelism = 32;
const patienceMs = 60_000;
/** How long subjects may overlap: with the same stream while another process makes it. */
const overlapMs = 2_000;
const duplicateWindowMs = 120_000;

/**
 * Makes sure that every partition has its stream, as it should be. May be run by several processes
 * at the same time, and again at every start.
 * @throws NatsUnusable when a stream is there with settings that would break the log.
 */
export async function ensureStreams(link: NatsLink, topology: Topology): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  let next = 0;
  const worker = async () => {
    while (next < topology.partitions) await ensureStream(link, topology, next++, deadlineMs);
  };
  await Promise.all(Array.from({ length: parallelism }, worker));
}

/** Makes the stream of a partition when it is gone; leaves one that is there as it is. */
export async function makeMissingStream(
  link: NatsLink,
  topology: Topology,
  partition: number,
): Promise<void> {
  const config = streamConfig(topology, partition);
  if ((await findStream(link, config.name)) !== undefined) return;
  await link.manager.streams.add(config);
}

async function ensureStream(
  link: NatsLink,
  topology: Topology,
  partition: number,
  deadlineMs: number,
): Promise<void> {
  const config = streamConfig(topology, partition);
  const overlapEndsMs = performance.now() + overlapMs;
  for (;;) {
    try {
      const found = await findStream(link, config.name);
      // Creating a stream that another process just created in the same way succeeds.
      if (found === undefined) await link.manager.streams.add(config);
      else await align(link, topology, found, config);
      return;
    } catch (error) {
      const code = apiCodeOf(error);
      const overlaps = code === apiCodes.subjectsOverlap;
      const mayPass = isTransient(error) || overlaps || code === apiCodes.streamNameInUse;
      const endsMs = overlaps ? overlapEndsMs : deadlineMs;
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
    max_bytes: topology.streamBytesMax ?? -1,
    num_replicas: topology.replicas,
    duplicate_window: nanos(duplicateWindowMs),
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

/** What the log's guarantees rest on may not differ; sizes and copies follow our settings. */
async function align(
  link: NatsLink,
  topology: Topology,
  found: StreamInfo,
  wanted: OurConfig,
): Promise<void> {
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
  const { num_replicas, duplicate_window } = wanted;
  // Without a setting of ours, a bound that an operator has put on the stream stays; so does one
  // on messages, which the update leaves alone.
  const max_bytes = topology.streamBytesMax ?? config.max_bytes;
  const same =
    config.num_replicas === num_replicas &&
    config.max_bytes === max_bytes &&
    config.duplicate_window === duplicate_window;
  if (same) return;
  await link.manager.streams.update(wanted.name, { num_replicas, max_bytes, duplicate_window });
}

function refusal(error: unknown, config: OurConfig): Error {
  if (error instanceof NatsUnusable) return error;
  if (apiCodeOf(error) === apiCodes.replicasNotSupported) {
    return new NatsUnusable(
      `streams with ${config.num_replicas} replicas need a NATS cluster; set STREAM_REPLICAS=1`,
      { cause: error },
    );
  }
  if (apiCodeOf(error) === apiCodes.subjectsOverlap) {
    return new NatsUnusable(
      `another stream than ${config.name} takes ${config.subjects.join()}; ` +
        "use another NATS account, or remove that stream",
      { cause: error },
    );
  }
  return new NatsUnusable(`stream ${config.name} cannot be created`, { cause: error });
}
