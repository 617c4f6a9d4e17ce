/**
 * The only worker is killed with SIGKILL while 20,000 payloads a second arrive, and started again
 * at once. How long until it has caught up: until every message stored before has been sent to it?
 * And how does that grow with what piled up, when it is started some seconds later?
 */
import { benchSite, note, rounds, runBench } from "./support/bench.ts";
import {
  openPending,
  openSql,
  payloadsSealed,
  reach,
  sealedMs,
  windowEnd,
} from "./support/counted.ts";
import { report } from "./support/report.ts";
import { SteadyLoad } from "./support/steadyLoad.ts";

const payloadsASecond = 20_000;
const rowsARequest = 200;
const windowMs = 10_000;
/** Seconds between the kill and the start. */
const pauses = [0, 1, 3, 10];

interface Round {
  readonly pause: number;
  readonly seconds: number[];
}

await runBench(async () => {
  const site = await benchSite({ WINDOW: "10s" });
  const holder = await site.start({ ROLES: "ingest,projector" });
  const { url, databaseUrl, natsUrl } = holder;
  const urls = { DATABASE_URL: databaseUrl, NATS_URL: natsUrl, ROLES: "worker" };
  const [sql, stream] = [openSql(databaseUrl), await openPending(natsUrl)];
  let worker = await site.start(urls);
  const load = new SteadyLoad(url, payloadsASecond, rowsARequest);
  const ending = new AbortController();
  const sending = load.run(ending.signal);
  const found = pauses.map((pause): Round => ({ pause, seconds: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const { pause, seconds } of found) {
      await Bun.sleep(7_000 + 1_300 * round);
      const owners = await sql`select epoch from partitions order by partition`;
      const killed = Date.now();
      await worker.killGroup();
      await Bun.sleep(pause * 1_000);
      const start = pause === 0 ? killed : Date.now();
      worker = await site.start(urls);
      const taken = async () => {
        const now = await sql`select epoch from partitions order by partition`;
        const all = now.every(({ epoch }, i) => Number(epoch) > Number(owners[i]?.epoch));
        // What was stored within the last 20 ms is always on its way.
        return all && (await stream.pending(start)) <= 16;
      };
      const end = await reach("catching up", taken, 10);
      seconds.push((end - start) / 1_000);
      note(`caught up ${end - start} ms after a pause of ${pause} s`);
    }
  }
  ending.abort();
  await sending;
  const { accepted, held, refused } = load.books;
  if (held + refused > 0) throw new Error(`${held} payloads were held, ${refused} refused`);
  const boundary = windowEnd(Date.now(), windowMs);
  await reach("the seal", async () => (await sealedMs(sql)) >= boundary);
  const counted = await payloadsSealed(sql);
  if (counted !== accepted) throw new Error(`${accepted} were answered, ${counted} counted`);
  const target = { of: "figure" as const, atMost: 5 };
  const rows = found.map(({ pause, seconds }) => ({
    what: pause === 0 ? "SIGKILL to caught up" : `start after ${pause} s to caught up`,
    unit: "s",
    values: seconds,
    ...(pause === 0 && { target }),
  }));
  const piledUp = found.filter(({ pause }) => pause > 0);
  const points = piledUp.map(({ pause, seconds }) => [pause * payloadsASecond, seconds]);
  await report("recovery", "How long does a killed worker take to catch up?", rows, {
    payloadsASecond,
    ...load.books,
    counted,
    curve: { x: "payloads that arrived meanwhile", y: "seconds", points },
  });
  await Promise.all([sql.end(), stream.close()]);
});
