/**
 * How much memory does an active actor take, and a remembered token? Measured in the process of
 * the benchmark, on the objects that a worker holds, after a collection of garbage.
 */
import { Partition } from "../src/actors/partition.ts";
import { DigestTable } from "../src/domain/digestTable.ts";
import { BatchBuilder } from "../src/domain/envelope.ts";
import type { Payload } from "../src/domain/payload.ts";
import { Random } from "../src/simulator/random.ts";
import { actors } from "./support/backlog.ts";
import { note, rounds, runBench } from "./support/bench.ts";
import { report } from "./support/report.ts";

const actorCount = 100_000;
const tokenCounts = [10_000, 30_000, 100_000, 300_000, 1_000_000];
const rules = { windowMs: 300_000, partitions: 1, sessionMemoryMs: 86_400_000 };
const encoder = new TextEncoder();

/** Bytes that are held, on the heap and outside of it. */
async function held(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    Bun.gc(true);
    await Bun.sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function apply(partition: Partition, payloads: Iterable<Payload>): void {
  let [builder, sequence] = [new BatchBuilder(), 0];
  const send = () => {
    const data = encoder.encode(builder.encode("bench", ++sequence));
    partition.apply({ sequence, timeMs: 1, time: "1000000", data });
    builder = new BatchBuilder();
  };
  for (const payload of payloads) {
    builder.add(payload);
    if (builder.count === 500) send();
  }
  if (builder.count > 0) send();
}

async function bytesAnActor(round: number): Promise<number> {
  const before = await held();
  const partition = new Partition(rules, 0);
  apply(partition, actors(actorCount, round));
  const bytes = ((await held()) - before) / partition.actors.size;
  if (partition.actors.size !== actorCount) throw new Error("actors are missing");
  return bytes;
}

function bytesAToken(count: number): number {
  const table = new DigestTable(24);
  const random = new Random(count);
  for (let i = 0; i < count; i++) table.touch(random.uint32(), random.uint32());
  return table.bytes / table.size;
}

await runBench(async () => {
  const actor: number[] = [];
  for (let round = 0; round < rounds; round++) {
    actor.push(await bytesAnActor(round));
    note(`${Math.round(actor.at(-1) ?? 0)} bytes an actor`);
  }
  const tokens = tokenCounts.map((count) => [count, [bytesAToken(count)]] as const);
  const atMost = (bytes: number) => ({ target: { of: "figure" as const, atMost: bytes } });
  await report(
    "memory",
    "How much memory do actors and remembered tokens take?",
    [
      { what: "an active actor", unit: "bytes", values: actor, ...atMost(4_096) },
      ...tokens.map(([count, values]) => ({
        what: `a remembered token of ${count}`,
        unit: "bytes",
        values,
        ...atMost(24),
      })),
    ],
    { actorCount, curve: { x: "tokens", y: "bytes a token", points: tokens } },
  );
});
