/**
 * All threads of a process that serve PORT: the first one, in which everything else runs, and the
 * further ones, among which the kernel spreads connections (decision 0020). Whoever asks one of
 * them gets the same answers: what they count is added up here, and readiness is asked here by all.
 */
import type { Readiness } from "../actors/readPorts.ts";
import { claimPort, type PortClaim } from "../http/tcpPort.ts";
import { errorMessage } from "../log.ts";
import { counter, gauge, type Sample } from "../metrics.ts";
import { FurtherThread } from "./furtherThread.ts";
import {
  PublicServer,
  type PublicServerParts,
  type PublicServerState,
  portSettings,
} from "./publicServer.ts";

interface PublicServersParts
  extends Omit<PublicServerParts, "publisherId" | "pending" | "readiness" | "alive"> {
  readonly processId: string;
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** Told when a further thread cannot go on. The process has to end then. */
  failed(error: Error): void;
}

const script = new URL("./publicThread.ts", import.meta.url);

export class PublicServers {
  /** The payloads of each thread that are queued or in flight, in memory that all can see. */
  readonly #pending: readonly Int32Array[];
  readonly #threads: FurtherThread[] = [];
  #first: PublicServer | undefined;
  #claim: PortClaim | undefined;

  constructor(private readonly parts: PublicServersParts) {
    this.#pending = Array.from(
      { length: parts.config.httpThreads },
      () => new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)),
    );
  }

  /** Payloads that are queued or in flight. */
  get pending(): number {
    return this.#pending.reduce((sum, [count = 0]) => sum + count, 0);
  }

  /** What all threads together have counted and seen. */
  async state(): Promise<PublicServerState> {
    const further = await Promise.all(this.#threads.map((thread) => thread.state()));
    const states = [this.#first?.state, ...further].filter((state) => state !== undefined);
    const refused = new Map<string, number>();
    for (const [reason, count] of states.flatMap((state) => [...state.refused])) {
      refused.set(reason, (refused.get(reason) ?? 0) + count);
    }
    return {
      accepted: states.reduce((sum, { accepted }) => sum + accepted, 0),
      refused,
      full: states.flatMap(({ full }) => full),
      unanswered: states.flatMap(({ unanswered }) => unanswered),
      connected: states.every(({ connected }) => connected),
    };
  }

  async samples(): Promise<readonly Sample[]> {
    const { accepted, refused } = await this.state();
    return [
      counter("payload_stats_accepted_total", "Payloads answered 202.", "by", [
        ["ingest", accepted],
      ]),
      counter("payload_stats_refused_total", "Refusals of ingest.", "reason", [...refused]),
      gauge("payload_stats_publisher_pending", "Payloads queued or in flight.", this.pending),
    ];
  }

  /**
   * Resolves with the port when all threads serve it.
   * @throws when one cannot; `close` and `finish` then end those that do.
   */
  async start(readiness: Readiness): Promise<number> {
    const { config, processId, databaseUrl, natsUrl, failed } = this.parts;
    const [pending = new Int32Array(1), ...further] = this.#pending;
    this.#first = new PublicServer({ ...this.parts, publisherId: processId, pending, readiness });
    const { host } = config;
    if (further.length === 0) return this.#first.listen(config.port, { isShared: false });
    this.#claim = claimPort({ host, port: config.port, settings: portSettings });
    const { port } = this.#claim;
    const starts = further.map((pending, i) => {
      const thread = new FurtherThread(script, failed);
      this.#threads.push(thread);
      const publisherId = `${processId}-${i + 1}`;
      const options = { config, databaseUrl, natsUrl, port, publisherId, pending };
      return thread.start(options, { readiness, alive: () => {} });
    });
    await Promise.all(starts);
    // Last, so that devices which come back after a restart find all threads and spread over them.
    return this.#first.listen(port, { isShared: true });
  }

  /** Stops accepting, and lets requests in flight end. */
  async close(): Promise<void> {
    try {
      await allOf([this.#first?.close(), ...this.#threads.map((thread) => thread.close())]);
    } finally {
      this.#claim?.release();
    }
  }

  /** Settles what is queued or in flight, and ends the further threads. */
  finish(): Promise<void> {
    return allOf([this.#first?.finish(), ...this.#threads.map((thread) => thread.finish())]);
  }
}

/** Waits for all of them, also when some fail. */
async function allOf(promises: readonly (Promise<void> | undefined)[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  const failures = results.filter((result) => result.status === "rejected");
  if (failures.length === 0) return;
  throw new Error(failures.map(({ reason }) => errorMessage(reason)).join("; "));
}
