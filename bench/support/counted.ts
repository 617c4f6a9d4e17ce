/** Watches from outside how far the product has come: with plain SQL, and at the broker. */
import { connect } from "nats";
import postgres from "postgres";
import { streamName } from "../../src/nats/names.ts";

export type Sql = ReturnType<typeof openSql>;

export function openSql(databaseUrl: string) {
  return postgres(databaseUrl, { max: 2, onnotice: () => {} });
}

/** Every partition has sealed all windows up to then, epoch ms. */
export async function sealedMs(sql: Sql): Promise<number> {
  const [row] = await sql`
    select case when count(*) = count(sealed_through)
      then extract(epoch from min(sealed_through)) * 1000 end as ms
    from partitions`;
  return Number(row?.ms ?? 0);
}

/** The rows of all windows up to then are in these tables, epoch ms. */
export async function visibleMs(sql: Sql, tables = ["stats", "sessions"]): Promise<number> {
  const [row] = await sql`
    select case when count(*) = count(sealed_through)
      then extract(epoch from min(sealed_through)) * 1000 end as ms
    from projection_positions
    where build = 'live' and projection in ${sql(tables)}`;
  return Number(row?.ms ?? 0);
}

/** Payloads in all sealed events. */
export async function payloadsSealed(sql: Sql): Promise<number> {
  const [row] = await sql`
    select coalesce(sum((data ->> 'payloads')::bigint), 0) as payloads from events`;
  return Number(row?.payloads ?? 0);
}

/** Messages of all streams up to the last commits, ticks included. */
export async function messagesRead(sql: Sql): Promise<number> {
  const [row] = await sql`select coalesce(sum(sequence), 0) as messages from partitions`;
  return Number(row?.messages ?? 0);
}

/** Polls until the value is reached; resolves with the time it was seen, epoch ms. */
export async function reach(
  what: string,
  reached: () => Promise<boolean>,
  intervalMs = 10,
  timeoutMs = 180_000,
): Promise<number> {
  const deadline = Date.now() + timeoutMs;
  while (!(await reached())) {
    if (Date.now() > deadline) throw new Error(`${what} took longer than ${timeoutMs} ms`);
    await Bun.sleep(intervalMs);
  }
  return Date.now();
}

/** How many messages the newest consumers of all streams have not been sent yet, as a whole. */
export async function openPending(natsUrl: string, partitions = 16) {
  const connection = await connect({ servers: natsUrl });
  const manager = await connection.jetstreamManager();
  const pendingOf = async (partition: number, sinceMs: number) => {
    const consumers = await manager.consumers.list(streamName(partition)).next();
    const [newest] = consumers
      // In place of one that ends while they are listed, nats-server gives null.
      .filter((consumer) => Date.parse(consumer?.created ?? "") >= sinceMs)
      .toSorted((a, b) => Date.parse(b.created) - Date.parse(a.created));
    return newest?.num_pending ?? Number.POSITIVE_INFINITY;
  };
  return {
    /** Infinite while a stream has no consumer that was made after a time, epoch ms. */
    async pending(sinceMs = 0): Promise<number> {
      const streams = Array.from({ length: partitions }, (_, partition) => partition);
      const all = await Promise.all(streams.map((partition) => pendingOf(partition, sinceMs)));
      return all.reduce((sum, one) => sum + one, 0);
    },
    close: () => connection.close(),
  };
}

/** The end of the window that a time is in, epoch ms. */
export function windowEnd(timeMs: number, windowMs: number): number {
  return (Math.floor(timeMs / windowMs) + 1) * windowMs;
}
