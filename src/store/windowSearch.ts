/**
 * Finds the window that holds a sequence, or that ends by a time. Windows follow each other in the
 * order of positions and in that of sequences, but within a window events are in the order of
 * names. So a search by halves over positions ends in the window, or next to it.
 */
import type { SealedWindow } from "../actors/historyPorts.ts";
import type { Database } from "./database.ts";

interface Probe extends SealedWindow {
  readonly position: number;
}

/** The last sealed window that ends at or before a time, with its last counted payload. */
export async function lastWindowThrough(
  database: Database,
  partition: number,
  timeMs: number,
): Promise<SealedWindow | undefined> {
  const [row] = await database.run(
    (sql) => sql<{ window_end: Date; sequence: bigint }[]>`
      select window_end,
        max((event_data(type, version, data) ->> 'lastSequence')::bigint) as sequence
      from events
      where partition = ${partition} and type = 'WindowSealed' and window_end = (
        select max(window_end) from events
        where partition = ${partition} and type = 'WindowSealed'
          and window_end <= ${new Date(timeMs)}
      )
      group by window_end
    `,
  );
  return row && { windowEndMs: row.window_end.getTime(), lastSequence: Number(row.sequence) };
}

/** The first window that ends after `afterMs` with a counted payload at the sequence or later. */
export async function windowReaching(
  database: Database,
  partition: number,
  sequence: number,
  afterMs: number,
): Promise<SealedWindow | undefined> {
  const reaches = (window: SealedWindow) =>
    window.windowEndMs > afterMs && window.lastSequence >= sequence;
  let low: Probe | undefined;
  let high: Probe | undefined;
  let [from, to] = [1, await lastPosition(database, partition)];
  while (from <= to) {
    const middle = Math.floor((from + to) / 2);
    const probe = await probeAt(database, partition, middle);
    if (probe === undefined) {
      to = middle - 1;
    } else if (reaches(probe)) {
      high = probe;
      to = middle - 1;
    } else {
      low = probe;
      from = probe.position + 1;
    }
  }
  for (const near of [low, high]) {
    const window = near && (await lastWindowThrough(database, partition, near.windowEndMs));
    if (window !== undefined && reaches(window)) return window;
  }
  return undefined;
}

async function lastPosition(database: Database, partition: number): Promise<number> {
  const [row] = await database.run(
    (sql) => sql<{ position: bigint }[]>`
      select position from partitions where partition = ${partition}
    `,
  );
  return Number(row?.position ?? 0n);
}

/** The sealed window of the first event at a position or after it, as far as that event says. */
async function probeAt(
  database: Database,
  partition: number,
  position: number,
): Promise<Probe | undefined> {
  const [row] = await database.run(
    (sql) => sql<{ position: bigint; window_end: Date; sequence: bigint }[]>`
      select position, window_end,
        (event_data(type, version, data) ->> 'lastSequence')::bigint as sequence
      from events
      where partition = ${partition} and position >= ${position} and type = 'WindowSealed'
      order by position limit 1
    `,
  );
  if (row === undefined) return undefined;
  return {
    position: Number(row.position),
    windowEndMs: row.window_end.getTime(),
    lastSequence: Number(row.sequence),
  };
}
