/**
 * How does the rate of batch ingest, until the worker has it all, change with the number of
 * contents, with the rows of a request, and with the number of partitions?
 */
import { type BatchLoad, type BatchSite, openBatchSite } from "./support/batches.ts";
import { note, rounds, runBench } from "./support/bench.ts";
import { report } from "./support/report.ts";

const base: BatchLoad = {
  payloads: Number(Bun.env.BENCH_PAYLOADS ?? 500_000),
  rowsARequest: 1_000,
  contents: 2_000,
};

interface Point {
  readonly at: number;
  readonly load: BatchLoad;
  readonly partitions?: number;
}

interface CurveOf {
  readonly name: string;
  readonly x: string;
  readonly points: readonly Point[];
}

const curves: readonly CurveOf[] = [
  {
    name: "throughputContents",
    x: "contents",
    points: [10, 100, 1_000, 10_000, 100_000].map((at) => ({
      at,
      load: { ...base, contents: at },
    })),
  },
  {
    name: "throughputRows",
    x: "rows a request",
    // Small requests are slow, so there are fewer of them.
    points: [1, 10, 100, 1_000, 10_000].map((at) => ({
      at,
      load: { ...base, rowsARequest: at, payloads: Math.min(base.payloads, at * 20_000) },
    })),
  },
  {
    name: "throughputPartitions",
    x: "partitions",
    points: [1, 4, 16, 64, 256].map((at) => ({ at, load: base, partitions: at })),
  },
];

/**
 * All points of a curve in turns, each in every round, so that a slow minute spares none. Products
 * with other numbers of partitions idle beside the one that is measured.
 */
async function measure(points: readonly Point[]): Promise<Map<Point, number[]>> {
  const sites = new Map<number, BatchSite>();
  const measured = new Map<Point, number[]>(points.map((point) => [point, []]));
  const siteOf = async ({ partitions = 16 }: Point) => {
    const site = sites.get(partitions) ?? (await openBatchSite(partitions));
    sites.set(partitions, site);
    return site;
  };
  // Warms up.
  for (const point of points) await (await siteOf(point)).run(point.load);
  for (let round = 0; round < rounds; round++) {
    for (const [point, values] of measured) {
      const { counted } = await (await siteOf(point)).run(point.load);
      values.push(counted);
      note(`${point.at}: ${Math.round(counted)}/s`);
    }
  }
  for (const site of sites.values()) await site.close();
  return measured;
}

await runBench(async () => {
  for (const { name, x, points } of curves) {
    const measured = [...(await measure(points))].map(([{ at }, values]) => [at, values] as const);
    const rows = measured.map(([at, values]) => ({
      what: `${at} ${x}`,
      unit: "payloads/s",
      values,
    }));
    const curve = { x, y: "payloads/s", points: measured };
    await report(name, `Batch ingest by ${x}?`, rows, { ...base, curve });
  }
});
