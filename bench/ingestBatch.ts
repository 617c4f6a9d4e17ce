/**
 * How many payloads a second through `POST /stats/batch`, until they are counted? The time runs
 * from the first request until the worker has been sent every message; that all of them are in
 * sealed events is checked afterwards.
 */
import { audience } from "./support/backlog.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import {
  openPending,
  openSql,
  payloadsSealed,
  reach,
  sealedMs,
  windowEnd,
} from "./support/counted.ts";
import { cpuBetween, usageOf } from "./support/processTree.ts";
import { report } from "./support/report.ts";

const payloads = Number(Bun.env.BENCH_PAYLOADS ?? 2_000_000);
const rowsARequest = Number(Bun.env.BENCH_ROWS ?? 1_000);
const atOnce = Number(Bun.env.BENCH_CONNECTIONS ?? 16);
const windowMs = 10_000;

/** The bodies are made before the clock starts. */
function makeBodies(): Uint8Array<ArrayBuffer>[] {
  const bodies: Uint8Array<ArrayBuffer>[] = [];
  let lines: string[] = [];
  for (const payload of audience(200_000, 200_000, 2_000)) {
    lines.push(JSON.stringify(payload));
    if (lines.length < rowsARequest) continue;
    bodies.push(new TextEncoder().encode(lines.join("\n")));
    lines = [];
  }
  return bodies;
}

async function send(url: string, bodies: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
  let sent = 0;
  const sender = async () => {
    while (sent < payloads) {
      const body = bodies[(sent / rowsARequest) % bodies.length] ?? null;
      sent += rowsARequest;
      const headers = { "content-type": "application/x-ndjson" };
      const answer = await fetch(`${url}/stats/batch`, { method: "POST", headers, body });
      if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, sender));
}

await runBench(async () => {
  const site = await benchSite({ WINDOW: "10s", RAW_RETENTION: "0s" });
  const { url, pid, databaseUrl, natsUrl } = await site.start();
  const [sql, stream] = [openSql(databaseUrl), await openPending(natsUrl)];
  const bodies = makeBodies();
  const figures: number[] = [];
  const [accepted, cpu]: [number[], unknown[]] = [[], []];
  // The first round only warms up.
  for (let round = 0; round <= rounds; round++) {
    const [start, used, before] = [Date.now(), usageOf(pid), await payloadsSealed(sql)];
    await send(url, bodies);
    const answered = Date.now();
    const end = await reach("counting", async () => (await stream.pending()) === 0, 5);
    cpu.push(cpuBetween(used, usageOf(pid)));
    figures.push((payloads / (end - start)) * 1_000);
    accepted.push((payloads / (answered - start)) * 1_000);
    const boundary = windowEnd(end, windowMs);
    await reach("the seal", async () => (await sealedMs(sql)) >= boundary);
    const counted = (await payloadsSealed(sql)) - before;
    if (counted !== payloads) throw new Error(`${counted} of ${payloads} were counted`);
    if (round === 0) for (const list of [cpu, figures, accepted]) list.length = 0;
    note(`${Math.round(figures.at(-1) ?? 0)}/s, answered ${Math.round(accepted.at(-1) ?? 0)}/s`);
  }
  const target = { of: "figure" as const, atLeast: 400_000 };
  await report(
    "ingestBatch",
    "How many payloads a second through batches, until counted?",
    [
      { what: "batch ingest, until counted", unit: "payloads/s", values: figures, target },
      { what: "batch ingest, until answered", unit: "payloads/s", values: accepted },
    ],
    { payloads, rowsARequest, atOnce, generator: "fetch in the bench's process", cpuSeconds: cpu },
  );
  await Promise.all([sql.end(), stream.close()]);
});
