/**
 * What does JetStream itself take? Messages of the same bytes as ingest sends, up to 64 in flight
 * over 16 streams, by the number of payloads that share a message.
 */
import { streamRate } from "./support/backlog.ts";
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import { report } from "./support/report.ts";

const sizes = [1, 10, 20, 60, 100, 1_000];

await runBench(async () => {
  const site = await benchSite();
  const { natsUrl } = await site.start({ ROLES: "ingest" });
  const rates = new Map<number, number[]>(sizes.map((size) => [size, []]));
  for (let round = 0; round < rounds; round++) {
    for (const size of sizes) {
      const payloads = Math.min(size * 20_000, 1_000_000);
      const rate = await streamRate(natsUrl, size, payloads);
      rates.get(size)?.push(rate);
      note(`${size} payloads a message: ${Math.round(rate)} payloads/s`);
    }
  }
  const rows = sizes.map((size) => ({
    what: `JetStream, ${size} payloads a message`,
    unit: "payloads/s",
    values: rates.get(size) ?? [],
  }));
  await report("jetstreamRaw", "What does JetStream itself take?", rows, {
    curve: { x: "payloads a message", y: "payloads/s", points: [...rates] },
  });
});
