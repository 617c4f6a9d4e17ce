/** Payloads through `POST /stats/batch`, and how long it takes until they are counted. */
import { projections } from "../../src/store/projections/registry.ts";
import { audience } from "./backlog.ts";
import { benchSite } from "./bench.ts";
import {
  messagesRead,
  openPending,
  openSql,
  payloadsSealed,
  reach,
  sealedMs,
  visibleMs,
  windowEnd,
} from "./counted.ts";
import { cpuBetween, usageOf } from "./processTree.ts";

export interface BatchLoad {
  readonly payloads: number;
  readonly rowsARequest: number;
  readonly contents: number;
}

export interface BatchFigures {
  /** Payloads a second until every message has been sent to the worker. */
  readonly counted: number;
  /** Payloads a second until every request is answered. */
  readonly answered: number;
  /** How many payloads shared a message. */
  readonly payloadsAMessage: number;
  readonly cpuSeconds: unknown;
}

/** Requests under way at a time. */
export const atOnce = Number(Bun.env.BENCH_CONNECTIONS ?? 16);
const windowMs = 10_000;
const tables = projections.map(({ name }) => name);
/** Bodies are made before the clock starts, and sent again and again. */
const payloadsMade = 200_000;

export type BatchSite = Awaited<ReturnType<typeof openBatchSite>>;

/** A product of its own, to be loaded as often as wanted. */
export async function openBatchSite(partitions = 16) {
  const site = await benchSite({
    WINDOW: "10s",
    RAW_RETENTION: "0s",
    PARTITIONS: String(partitions),
  });
  const { url, pid, databaseUrl, natsUrl } = await site.start();
  const [sql, stream] = [openSql(databaseUrl), await openPending(natsUrl, partitions)];
  return {
    /** @throws when not exactly these payloads are in sealed events afterwards. */
    async run(batchLoad: BatchLoad): Promise<BatchFigures> {
      const { payloads } = batchLoad;
      const bodies = makeBodies(batchLoad);
      const [before, messages] = [await payloadsSealed(sql), await messagesRead(sql)];
      const [start, used] = [Date.now(), usageOf(pid)];
      await send(url, bodies, batchLoad);
      const answered = Date.now();
      const end = await reach("counting", async () => (await stream.pending()) === 0, 5);
      const cpuSeconds = cpuBetween(used, usageOf(pid));
      const boundary = windowEnd(end, windowMs);
      await reach("the seal", async () => (await sealedMs(sql)) >= boundary);
      // So that the next run does not share the machine with the rows of this one.
      await reach("the rows", async () => (await visibleMs(sql, tables)) >= boundary);
      const sealed = (await payloadsSealed(sql)) - before;
      if (sealed !== payloads) throw new Error(`${sealed} of ${payloads} were counted`);
      const rate = (until: number) => (payloads / (until - start)) * 1_000;
      const payloadsAMessage = Math.round(payloads / ((await messagesRead(sql)) - messages));
      return { counted: rate(end), answered: rate(answered), payloadsAMessage, cpuSeconds };
    },
    async close(): Promise<void> {
      await Promise.all([sql.end(), stream.close()]);
      await site.clear();
    },
  };
}

function makeBodies({ payloads, rowsARequest, contents }: BatchLoad) {
  const bodies: Uint8Array<ArrayBuffer>[] = [];
  let lines: string[] = [];
  const made = Math.min(payloads, payloadsMade);
  for (const payload of audience(made, made, contents)) {
    lines.push(JSON.stringify(payload));
    if (lines.length < rowsARequest) continue;
    bodies.push(new TextEncoder().encode(lines.join("\n")));
    lines = [];
  }
  return bodies;
}

async function send(
  url: string,
  bodies: readonly Uint8Array<ArrayBuffer>[],
  { payloads, rowsARequest }: BatchLoad,
): Promise<void> {
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
