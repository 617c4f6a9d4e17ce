/**
 * How many payloads a second through `POST /stats/batch`, until the worker has them? The time runs
 * from the first request until the worker has been sent every message, of which it may still hold
 * some in a buffer; that all of them are in sealed events is checked afterwards.
 */
import { atOnce, type BatchFigures, openBatchSite } from "./support/batches.ts";
import { note, rounds, runBench } from "./support/bench.ts";
import { report } from "./support/report.ts";

const payloads = Number(Bun.env.BENCH_PAYLOADS ?? 2_000_000);
const rowsARequest = Number(Bun.env.BENCH_ROWS ?? 1_000);
const load = { payloads, rowsARequest, contents: 2_000 };

await runBench(async () => {
  const site = await openBatchSite();
  // Warms up.
  await site.run(load);
  const figures: BatchFigures[] = [];
  for (let round = 0; round < rounds; round++) {
    const figure = await site.run(load);
    figures.push(figure);
    note(`${Math.round(figure.counted)}/s, answered ${Math.round(figure.answered)}/s`);
  }
  const [counted, answered] = [
    figures.map((one) => one.counted),
    figures.map((one) => one.answered),
  ];
  const target = { of: "figure" as const, atLeast: 400_000 };
  await report(
    "ingestBatch",
    "How many payloads a second through batches, until the worker has them?",
    [
      {
        what: "batch ingest, until the worker has them",
        unit: "payloads/s",
        values: counted,
        target,
      },
      { what: "batch ingest, until answered", unit: "payloads/s", values: answered },
    ],
    {
      ...load,
      atOnce,
      generator: "fetch in the bench's process",
      cpuSeconds: figures.map(({ cpuSeconds }) => cpuSeconds),
    },
  );
  await site.close();
});
