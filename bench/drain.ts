/**
 * How fast does one worker process count a backlog? Payloads are put into the streams while no
 * worker runs; then one starts, and the time runs until all of them are in sealed events. It is
 * compared with decoding and applying the same messages in memory, which is the most that one
 * thread could do.
 */
import { Partition } from "../src/actors/partition.ts";
import { BatchBuilder } from "../src/domain/envelope.ts";
import { audience, Backlog } from "./support/backlog.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { openSql, payloadsSealed, reach, sealedMs, windowEnd } from "./support/counted.ts";
import { cpuBetween, usageOf } from "./support/processTree.ts";
import { report } from "./support/report.ts";

const payloads = Number(Bun.env.BENCH_PAYLOADS ?? 5_000_000);
const tokens = Math.min(payloads, 1_000_000);
const contents = Number(Bun.env.BENCH_CONTENTS ?? 2_000);
const payloadsAMessage = Number(Bun.env.BENCH_MESSAGE ?? 100);
const windowMs = 10_000;
const encoder = new TextEncoder();

/** Payloads a second through `Partition` alone. */
function inMemory(count: number): number {
  const texts: string[] = [];
  let builder = new BatchBuilder();
  for (const payload of audience(count, Math.min(tokens, count), contents)) {
    builder.add(payload);
    if (builder.count < payloadsAMessage) continue;
    texts.push(builder.encode("bench", texts.length + 1));
    builder = new BatchBuilder();
  }
  const messages = texts.map((text) => encoder.encode(text));
  const partition = new Partition({ windowMs, partitions: 1, sessionMemoryMs: 86_400_000 }, 0);
  partition.seal(1);
  partition.committed();
  const start = performance.now();
  for (const [i, data] of messages.entries()) {
    partition.apply({ sequence: i + 1, timeMs: 1, time: "1000000", data });
  }
  return (messages.length * payloadsAMessage) / ((performance.now() - start) / 1_000);
}

await runBench(async () => {
  const site = await benchSite({ WINDOW: "10s", RAW_RETENTION: "0s" });
  const holder = await site.start({ ROLES: "ingest" });
  const { databaseUrl, natsUrl } = holder;
  const sql = openSql(databaseUrl);
  const [figures, ceilings, cpu]: [number[], number[], unknown[]] = [[], [], []];
  let before = 0;
  for (let round = 0; round < rounds; round++) {
    const backlog = await Backlog.open(natsUrl, payloadsAMessage);
    for (const payload of audience(payloads, tokens, contents)) await backlog.add(payload);
    await backlog.flush();
    const boundary = windowEnd(Date.now(), windowMs);
    await Bun.sleep(boundary + 100 - Date.now());
    await backlog.tick();
    await backlog.close();
    const worker = await site.start({
      ROLES: "worker",
      DATABASE_URL: databaseUrl,
      NATS_URL: natsUrl,
    });
    const [start, used] = [Date.now(), usageOf(worker.pid)];
    const end = await reach("the drain", async () => (await sealedMs(sql)) >= boundary);
    figures.push(payloads / ((end - start) / 1_000));
    cpu.push(cpuBetween(used, usageOf(worker.pid)));
    const counted = await payloadsSealed(sql);
    if (counted - before !== payloads) throw new Error(`${counted - before} were counted`);
    before = counted;
    await worker.stop();
    ceilings.push(inMemory(500_000));
    note(
      `drain ${Math.round(figures.at(-1) ?? 0)}/s, in memory ${Math.round(ceilings.at(-1) ?? 0)}/s`,
    );
  }
  const against = { what: "applied in memory", values: ceilings };
  const target = { of: "figure" as const, atLeast: 800_000 };
  await report(
    "drain",
    "How fast does one worker process count a backlog?",
    [{ what: "drain of a backlog", unit: "payloads/s", values: figures, against, target }],
    { payloads, tokens, contents, payloadsAMessage, workerCpuSeconds: cpu },
  );
  await sql.end();
});
