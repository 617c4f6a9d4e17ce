/** What a process tells a monitoring system of itself. */
import type { Readiness } from "./actors/readPorts.ts";
import type { Worker } from "./actors/worker.ts";
import { gauge, gauges, renderMetrics, type Sample } from "./metrics.ts";

/** Less than a scrape may take: without Postgres the other samples are wanted most. */
const databaseMs = 2_000;

interface MetricsSources {
  readonly readiness: Readiness;
  /** Undefined without the role worker. */
  readonly worker: Pick<Worker, "status" | "owners"> | undefined;
  /** Undefined without the role ingest. */
  readonly publicServers: { samples(): Promise<readonly Sample[]> } | undefined;
}

/** Everything that is known now, in the Prometheus text format. */
export async function processMetrics(sources: MetricsSources): Promise<string> {
  const { readiness, worker, publicServers } = sources;
  const samples = await Promise.all([
    readinessSamples(readiness),
    worker ? workerSamples(worker) : [],
    publicServers ? publicServers.samples() : [],
  ]);
  return renderMetrics(samples.flat());
}

/** The checks of `/readyz`, so that an alert needs no second source. */
async function readinessSamples(readiness: Readiness): Promise<readonly Sample[]> {
  const unknown = [{ name: "readiness", ok: false }];
  const checks = await readiness(databaseMs).catch(() => unknown);
  const values = checks.map(({ name, ok }) => ({ labels: { check: name }, value: ok ? 1 : 0 }));
  return [gauges("payload_stats_check", "Checks of /readyz: 1 good, 0 not.", values)];
}

/** The partitions that this process owns, together. */
function workerSamples(worker: Pick<Worker, "status" | "owners">): readonly Sample[] {
  const { owned, running, stopped, full } = worker.status;
  const states = { owned, running, stopped: stopped.length, full: full.length };
  const partitions = Object.entries(states).map(([state, value]) => ({ labels: { state }, value }));
  const read = [...worker.owners()].filter(({ ready }) => ready).map(({ state }) => state);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const samples = [
    gauges("payload_stats_partitions", "Partitions of this process.", partitions),
    gauge(
      "payload_stats_actors",
      "Window actors that live here.",
      sum(read.map(({ actors }) => actors.size)),
    ),
    gauge(
      "payload_stats_remembered_tokens",
      "Tokens that are remembered here.",
      sum(read.map(({ rememberedTokens }) => rememberedTokens)),
    ),
    gauge(
      "payload_stats_payloads_read",
      "Payloads of the partitions owned, since their streams began.",
      sum(read.map(({ payloadsRead }) => payloadsRead)),
    ),
    gauge(
      "payload_stats_payloads_quarantined",
      "Those of them that were set aside, since they could not be applied.",
      sum(read.map(({ counts }) => counts.quarantined)),
    ),
  ];
  if (read.length === 0) return samples;
  const sealedThroughMs = Math.min(...read.map((state) => state.sealedThroughMs));
  const help = "Every window up to this time is sealed in all partitions owned.";
  return [...samples, gauge("payload_stats_sealed_through_seconds", help, sealedThroughMs / 1_000)];
}
