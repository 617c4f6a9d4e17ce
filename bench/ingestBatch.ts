/**
 * How many payloads a second through `POST /stats/batch`, until the worker has them? The time runs
 * from the first request until the worker has been sent every message, of which it may still hold
 * some in a buffer; that all of them are in sealed events is checked afterwards. Beside it, in
 * turns: what JetStream takes by itself in messages of the same size.
 */
import { streamRate } from "./support/backlog.ts";
import { atOnce, type BatchFigures, openBatchSite } from "./support/batches.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { report } from "./support/report.ts";

const payloads = Number(Bun.env.BENCH_PAYLOADS ?? 2_000_000);
const rowsARequest = Number(Bun.env.BENCH_ROWS ?? 1_000);
const load = { payloads, rowsARequest, contents: 2_000 };

await runBench(async () => {
  const site = await openBatchSite();
  // The streams of a product that only takes payloads in.
  const { natsUrl } = await (await benchSite()).start({ ROLES: "ingest" });
  // Warms up.
  const { payloadsAMessage } = await site.run(load);
  await streamRate(natsUrl, payloadsAMessage, payloads);
  const figures: BatchFigures[] = [];
  const alone: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const figure = await site.run(load);
    const rate = await streamRate(natsUrl, figure.payloadsAMessage, payloads);
    figures.push(figure);
    alone.push(rate);
    note(
      `${Math.round(figure.counted)}/s, answered ${Math.round(figure.answered)}/s, ` +
        `${figure.payloadsAMessage} payloads a message; JetStream alone ${Math.round(rate)}/s`,
    );
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
        against: { what: "JetStream alone, messages of the same size", values: alone },
        target,
      },
      { what: "batch ingest, until answered", unit: "payloads/s", values: answered },
    ],
    {
      ...load,
      atOnce,
      generator: "fetch in the bench's process",
      payloadsAMessage: figures.map(({ payloadsAMessage }) => payloadsAMessage),
      cpuSeconds: figures.map(({ cpuSeconds }) => cpuSeconds),
    },
  );
  await site.close();
});
